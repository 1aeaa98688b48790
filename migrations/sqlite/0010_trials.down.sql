ALTER TABLE agents DROP COLUMN lifting;
DROP TABLE content_trials;
DROP TABLE known_contents;
