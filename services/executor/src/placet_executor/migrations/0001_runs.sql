-- A run: one execution of one workflow version on one input.
CREATE TABLE runs (
    id           text        PRIMARY KEY,
    event_source text        NOT NULL,
    event_id     text        NOT NULL,
    start_digest text        NOT NULL, -- of what was asked for: tells a repeat from a contradiction
    workflow     text        NOT NULL,
    version      integer,              -- null while no version of the workflow is registered
    input        json        NOT NULL,
    requested_by text,
    status       text        NOT NULL,
    seq          bigint      NOT NULL DEFAULT 1, -- grows with each change that is told to others
    fence        bigint      NOT NULL DEFAULT 0, -- the fencing token: grows with each claim
    failures     integer     NOT NULL DEFAULT 0, -- passes that raised; a pause is none
    lost_leases  integer     NOT NULL DEFAULT 0,
    parked       boolean     NOT NULL DEFAULT false, -- no live executor serves the workflow and version
    announced    boolean     NOT NULL DEFAULT false, -- that this pass is running was told
    gate         text,                 -- where it is paused
    due_at       timestamptz NOT NULL DEFAULT now(),
    lease_until  timestamptz,
    worker       text,
    output       json,
    error        json,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    ended_at     timestamptz,

    CONSTRAINT runs_once_per_event UNIQUE (event_source, event_id),
    CONSTRAINT runs_status CHECK (
        status IN ('ready', 'running', 'paused', 'completed', 'failed', 'rejected', 'cancelled')),
    CONSTRAINT runs_running_is_leased CHECK (
        (status = 'running') = (lease_until IS NOT NULL) AND (lease_until IS NULL) = (worker IS NULL)),
    CONSTRAINT runs_paused_at_a_gate CHECK ((status = 'paused') = (gate IS NOT NULL)),
    CONSTRAINT runs_end CHECK (
        (status IN ('completed', 'failed', 'rejected', 'cancelled')) = (ended_at IS NOT NULL)),
    CONSTRAINT runs_completed_has_output CHECK ((status = 'completed') = (output IS NOT NULL)),
    CONSTRAINT runs_failed_has_error CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT runs_active_has_version CHECK (version IS NOT NULL OR status IN ('ready', 'cancelled')),
    CONSTRAINT runs_parked_is_ready CHECK (NOT parked OR status = 'ready')
) WITH (fillfactor = 80);

CREATE INDEX runs_due ON runs (due_at) WHERE status = 'ready' AND NOT parked;
CREATE INDEX runs_parked ON runs (workflow, version) WHERE parked;
CREATE INDEX runs_leased ON runs (lease_until) WHERE status = 'running';

-- A run that has ended stays as it ended.
CREATE FUNCTION refuse_change_of_ended_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'run % has ended as %', OLD.id, OLD.status USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER runs_end_is_final BEFORE UPDATE ON runs
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION refuse_change_of_ended_run();

-- A step's result, stored once and replayed afterwards.
CREATE TABLE steps (
    run_id     text        NOT NULL REFERENCES runs ON DELETE CASCADE,
    name       text        NOT NULL,
    result     json        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, name)
);

-- Notifications that a run's handler has asked for, so that each goes out once.
CREATE TABLE notifications (
    run_id     text        NOT NULL REFERENCES runs ON DELETE CASCADE,
    key        text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, key)
);

-- A gate at which a run has paused, and how it was resolved.
CREATE TABLE gates (
    run_id       text        NOT NULL REFERENCES runs ON DELETE CASCADE,
    gate         text        NOT NULL,
    approval_id  uuid        NOT NULL UNIQUE,
    digest       text        NOT NULL, -- of what the decider is shown
    on_reject    text        NOT NULL CHECK (on_reject IN ('reject', 'resume')),
    outcome      text        CHECK (outcome IN ('approved', 'rejected', 'expired', 'cancelled')),
    resolved_by  text,
    resolved_at  timestamptz,
    channel      text,
    comment      text,
    receipt      text,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, gate),
    CONSTRAINT gates_resolved_with_receipt CHECK (
        (outcome IS NULL) = (receipt IS NULL) AND (outcome IS NULL) = (resolved_at IS NULL))
);

CREATE FUNCTION refuse_change_of_resolved_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'gate % of run % is already %', OLD.gate, OLD.run_id, OLD.outcome
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER gates_resolution_is_final BEFORE UPDATE ON gates
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION refuse_change_of_resolved_gate();

-- Live executors, and what they serve.
CREATE TABLE workers (
    id      text        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE served (
    worker   text    NOT NULL REFERENCES workers ON DELETE CASCADE,
    workflow text    NOT NULL,
    version  integer NOT NULL,
    PRIMARY KEY (worker, workflow, version)
);

CREATE INDEX served_by_workflow ON served (workflow, version);
