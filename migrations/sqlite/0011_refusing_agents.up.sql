-- 1 of an agent whose owner wants nothing that is pushed: it is in no experiment and no deployment.
ALTER TABLE agents ADD COLUMN refuses_configs INTEGER NOT NULL DEFAULT 0;
