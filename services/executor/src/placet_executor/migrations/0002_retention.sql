-- Runs that ended long ago are deleted where the operator says so. This is what remains of one, so that a repeat of
-- its start begins nothing. The mark comes first, the run goes a while later: see placet_runtime.retention.
CREATE TABLE deleted_runs (
    id           text        PRIMARY KEY,
    event_source text        NOT NULL,
    event_id     text        NOT NULL,
    start_digest text        NOT NULL,
    marked_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT deleted_runs_once_per_event UNIQUE (event_source, event_id)
);

CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
