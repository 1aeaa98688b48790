-- Name of whoever waits for a preview: others that want its agents are told.
ALTER TABLE previews ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
