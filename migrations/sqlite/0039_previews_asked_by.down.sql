ALTER TABLE previews DROP COLUMN asked_by;
