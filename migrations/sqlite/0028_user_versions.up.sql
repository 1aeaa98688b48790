-- One more with each change of a person, by which a change names the one that it is about.
ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
