-- Reports of a process of an agent under one generation, added up: what a look at evidence needs to know of each of them
-- without reading it. A trigger adds each report, so that one that a release before this one files is in it, too. Times are
-- Unix nanoseconds by the agent's clock; a bit of `hours_0` to `hours_2` is one of 56 hours of the week since the epoch, by
-- ours, in which a horizon began in which something came in.
CREATE TABLE experiment_sums (
    tenant_id     TEXT   NOT NULL,
    experiment_id TEXT   NOT NULL,
    agent_uid     TEXT   NOT NULL,
    boot_id       TEXT   NOT NULL,
    generation    BIGINT NOT NULL,
    step          TEXT   NOT NULL,
    plans         TEXT   NOT NULL,
    baseline      TEXT   NOT NULL,
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

CREATE TRIGGER experiment_windows_are_summed AFTER INSERT ON experiment_windows BEGIN
    INSERT INTO experiment_sums (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset,
        horizons, counted, first_start, first_end, last_end, counted_from, counted_to, received_at, clock_most, clock_least,
        hours_0, hours_1, hours_2)
    SELECT NEW.tenant_id, NEW.experiment_id, NEW.agent_uid, NEW.boot_id, NEW.generation, NEW.step, NEW.plans, NEW.baseline,
        NEW.clock_offset, 1, came_in, NEW.window_start, NEW.window_end, NEW.window_end,
        CASE WHEN came_in THEN NEW.window_start END, CASE WHEN came_in THEN NEW.window_end END,
        NEW.received_at, NEW.clock_measured, NEW.clock_measured,
        CASE WHEN came_in AND hour / 56 = 0 THEN 1 << (hour % 56) ELSE 0 END,
        CASE WHEN came_in AND hour / 56 = 1 THEN 1 << (hour % 56) ELSE 0 END,
        CASE WHEN came_in AND hour / 56 = 2 THEN 1 << (hour % 56) ELSE 0 END
    FROM (SELECT COALESCE(NEW.points_in, 0) > 0 AS came_in,
              ((NEW.window_start - NEW.clock_offset) / 3600000000000 % 168 + 168) % 168 AS hour)
    WHERE TRUE
    ON CONFLICT (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset) DO UPDATE SET
        horizons = horizons + excluded.horizons,
        counted = counted + excluded.counted,
        first_start = MIN(first_start, excluded.first_start),
        first_end = MIN(first_end, excluded.first_end),
        last_end = MAX(last_end, excluded.last_end),
        counted_from = COALESCE(MIN(counted_from, excluded.counted_from), counted_from, excluded.counted_from),
        counted_to = COALESCE(MAX(counted_to, excluded.counted_to), counted_to, excluded.counted_to),
        received_at = MAX(received_at, excluded.received_at),
        clock_most = COALESCE(MAX(clock_most, excluded.clock_most), clock_most, excluded.clock_most),
        clock_least = COALESCE(MIN(clock_least, excluded.clock_least), clock_least, excluded.clock_least),
        hours_0 = hours_0 | excluded.hours_0,
        hours_1 = hours_1 | excluded.hours_1,
        hours_2 = hours_2 | excluded.hours_2;
END;

INSERT INTO experiment_sums (tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset,
    horizons, counted, first_start, first_end, last_end, counted_from, counted_to, received_at, clock_most, clock_least,
    hours_0, hours_1, hours_2)
SELECT tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset,
    COUNT(*), SUM(came_in), MIN(window_start), MIN(window_end), MAX(window_end),
    MIN(CASE WHEN came_in THEN window_start END), MAX(CASE WHEN came_in THEN window_end END),
    MAX(received_at), MAX(clock_measured), MIN(clock_measured),
    SUM(DISTINCT CASE WHEN came_in AND hour / 56 = 0 THEN 1 << (hour % 56) ELSE 0 END),
    SUM(DISTINCT CASE WHEN came_in AND hour / 56 = 1 THEN 1 << (hour % 56) ELSE 0 END),
    SUM(DISTINCT CASE WHEN came_in AND hour / 56 = 2 THEN 1 << (hour % 56) ELSE 0 END)
FROM (SELECT *, COALESCE(points_in, 0) > 0 AS came_in,
          ((window_start - clock_offset) / 3600000000000 % 168 + 168) % 168 AS hour FROM experiment_windows)
GROUP BY tenant_id, experiment_id, agent_uid, boot_id, generation, step, plans, baseline, clock_offset;
