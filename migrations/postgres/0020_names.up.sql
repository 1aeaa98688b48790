-- A name means one experiment of a tenant. Of several that have one, the one that is not over keeps it, else the newest; the
-- others get their ids behind it.
ALTER TABLE experiments NO FORCE ROW LEVEL SECURITY;
UPDATE experiments SET name = substr(name, 1, 150) || ' (' || id || ')'
WHERE EXISTS (
    SELECT 1 FROM experiments AS other
    WHERE other.tenant_id = experiments.tenant_id AND other.name = experiments.name AND other.id <> experiments.id
        AND (CASE WHEN other.phase IN ('completed', 'failed', 'cancelled') THEN 0 ELSE 1 END, other.id)
          > (CASE WHEN experiments.phase IN ('completed', 'failed', 'cancelled') THEN 0 ELSE 1 END, experiments.id)
);
ALTER TABLE experiments FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX experiments_by_name ON experiments (tenant_id, name);
