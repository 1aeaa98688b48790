-- Reports of a process of an agent under one generation, added up: what a look at evidence needs to know of each of them
-- without reading it. A trigger adds each report, so that one that a release before this one files is in it, too. Times are
-- Unix nanoseconds by the agent's clock; a bit of `hours_0` to `hours_2` is one of 56 hours of the week since the epoch, by
-- ours, in which a horizon began in which something came in.
CREATE TABLE experiment_sums (
    tenant_id     words NOT NULL,
    experiment_id words NOT NULL,
    agent_uid     words NOT NULL,
    boot_id       words NOT NULL,
    generation    BIGINT NOT NULL,
    step          words NOT NULL,
    plans         words NOT NULL,
    baseline      words NOT NULL,
    clock_offset  BIGINT NOT NULL,
    horizons      BIGINT NOT NULL,
    counted       BIGINT NOT NULL,
    first_start   BIGINT NOT NULL,
    first_end     BIGINT NOT NULL,
    last_end      BIGINT NOT NULL,
    counted_from  BIGINT,
    counted_to    BIGINT,
    received_at   BIGINT NOT NULL,
    clock_most    BIGINT,
    clock_least   BIGINT,
    hours_0       BIGINT NOT NULL,
    hours_1       BIGINT NOT NULL,
    hours_2       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset),
    FOREIGN KEY (tenant_id, experiment_id) REFERENCES experiments (tenant_id, id) ON DELETE CASCADE
);

CREATE FUNCTION sum_experiment_window() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    came_in BOOLEAN := COALESCE(NEW.points_in, 0) > 0;
    hour INT := ((NEW.window_start - NEW.clock_offset) / 3600000000000 % 168 + 168) % 168;
BEGIN
    INSERT INTO experiment_sums AS s (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline,
        clock_offset, horizons, counted, first_start, first_end, last_end, counted_from, counted_to, received_at, clock_most,
        clock_least, hours_0, hours_1, hours_2)
    VALUES (NEW.tenant_id, NEW.experiment_id, NEW.agent_uid, NEW.boot_id, NEW.generation, NEW.step, NEW.plans, NEW.baseline,
        NEW.clock_offset, 1, came_in::INT, NEW.window_start, NEW.window_end, NEW.window_end,
        CASE WHEN came_in THEN NEW.window_start END, CASE WHEN came_in THEN NEW.window_end END,
        NEW.received_at, NEW.clock_measured, NEW.clock_measured,
        CASE WHEN came_in AND hour / 56 = 0 THEN 1::BIGINT << (hour % 56) ELSE 0 END,
        CASE WHEN came_in AND hour / 56 = 1 THEN 1::BIGINT << (hour % 56) ELSE 0 END,
        CASE WHEN came_in AND hour / 56 = 2 THEN 1::BIGINT << (hour % 56) ELSE 0 END)
    ON CONFLICT (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset) DO UPDATE SET
        horizons = s.horizons + excluded.horizons,
        counted = s.counted + excluded.counted,
        first_start = LEAST(s.first_start, excluded.first_start),
        first_end = LEAST(s.first_end, excluded.first_end),
        last_end = GREATEST(s.last_end, excluded.last_end),
        counted_from = LEAST(s.counted_from, excluded.counted_from),
        counted_to = GREATEST(s.counted_to, excluded.counted_to),
        received_at = GREATEST(s.received_at, excluded.received_at),
        clock_most = GREATEST(s.clock_most, excluded.clock_most),
        clock_least = LEAST(s.clock_least, excluded.clock_least),
        hours_0 = s.hours_0 | excluded.hours_0,
        hours_1 = s.hours_1 | excluded.hours_1,
        hours_2 = s.hours_2 | excluded.hours_2;
    RETURN NULL;
END $$;
CREATE TRIGGER experiment_windows_are_summed AFTER INSERT ON experiment_windows
    FOR EACH ROW EXECUTE FUNCTION sum_experiment_window();

ALTER TABLE experiment_windows NO FORCE ROW LEVEL SECURITY;
INSERT INTO experiment_sums (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset,
    horizons, counted, first_start, first_end, last_end, counted_from, counted_to, received_at, clock_most, clock_least,
    hours_0, hours_1, hours_2)
SELECT tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset,
    COUNT(*), COUNT(*) FILTER (WHERE came_in), MIN(window_start), MIN(window_end), MAX(window_end),
    MIN(window_start) FILTER (WHERE came_in), MAX(window_end) FILTER (WHERE came_in),
    MAX(received_at), MAX(clock_measured), MIN(clock_measured),
    COALESCE(BIT_OR(1::BIGINT << (hour % 56)) FILTER (WHERE came_in AND hour / 56 = 0), 0),
    COALESCE(BIT_OR(1::BIGINT << (hour % 56)) FILTER (WHERE came_in AND hour / 56 = 1), 0),
    COALESCE(BIT_OR(1::BIGINT << (hour % 56)) FILTER (WHERE came_in AND hour / 56 = 2), 0)
FROM (SELECT *, COALESCE(points_in, 0) > 0 AS came_in,
          (((window_start - clock_offset) / 3600000000000 % 168 + 168) % 168)::INT AS hour FROM experiment_windows) AS w
GROUP BY tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset;
ALTER TABLE experiment_windows FORCE ROW LEVEL SECURITY;

ALTER TABLE experiment_sums ENABLE ROW LEVEL SECURITY;
ALTER TABLE experiment_sums FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_tenant ON experiment_sums TO phoenix_tenant USING (tenant_id = phoenix_tenant());
CREATE POLICY across_tenants ON experiment_sums TO phoenix_across USING (TRUE);
GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_sums TO phoenix_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON experiment_sums TO phoenix_across;
