-- Runs that no executor is known to have begun with: how many there are decides whether more starts are let in.
CREATE INDEX runs_waiting ON runs (created_at) WHERE status = 'ready' AND attempt = 1 AND NOT parked;

-- Runs that ended long ago are deleted with their approvals where the operator says so. This is what remains of one, so
-- that a repeat of what was told about it brings nothing back. The mark comes first, the run goes a while later: see
-- placet_runtime.retention.
CREATE TABLE deleted_runs (
    id        text        PRIMARY KEY,
    marked_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX deliveries_by_run ON deliveries (run_id);
