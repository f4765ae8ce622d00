-- Runs, as the executor tells of them; those that were started here are written before the executor knows.
CREATE TABLE runs (
    id              text        PRIMARY KEY,
    workflow        text        NOT NULL,
    version         integer,
    status          text        NOT NULL CHECK (
        status IN ('ready', 'running', 'paused', 'completed', 'failed', 'rejected', 'cancelled')),
    seq             bigint      NOT NULL DEFAULT 0, -- of the change that this row shows; 0: nothing heard yet
    attempt         integer     NOT NULL DEFAULT 1,
    parked          boolean     NOT NULL DEFAULT false,
    gate            text,
    input           json,
    output          json,
    error           json,
    requested_by    text,
    started_by      text,       -- the actor, where it was started over the API
    idempotency_key text,
    cancelled_by    text,       -- who asked for its cancellation
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,

    CONSTRAINT runs_end CHECK (
        (status IN ('completed', 'failed', 'rejected', 'cancelled')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX runs_once_per_key ON runs (started_by, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_age ON runs (created_at, id);
CREATE INDEX runs_parked ON runs (created_at, id) WHERE parked;

-- Requests for a decision, and how they were resolved. The authority.
CREATE TABLE approvals (
    id           uuid        PRIMARY KEY,
    run_id       text        NOT NULL,
    workflow     text        NOT NULL,
    version      integer     NOT NULL,
    gate         text        NOT NULL,
    status       text        NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
    title        text,
    message      text,
    context      json,
    input        json        NOT NULL,
    digest       text        NOT NULL, -- of what the decider is shown
    requested_by text,
    notified     boolean     NOT NULL, -- whether there are destinations
    opened_at    timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    resolved_at  timestamptz,
    resolved_by  text,
    channel      text,
    comment      text,

    CONSTRAINT approvals_once_per_gate UNIQUE (run_id, gate),
    CONSTRAINT approvals_resolved CHECK (
        (status = 'pending') = (resolved_at IS NULL)
        AND (resolved_at IS NULL) = (resolved_by IS NULL)
        AND (resolved_at IS NULL) = (channel IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX approvals_by_status ON approvals (status, opened_at, id);
CREATE INDEX approvals_expiring ON approvals (expires_at) WHERE status = 'pending' AND expires_at IS NOT NULL;

-- A resolution is immutable, and there is at most one.
CREATE FUNCTION refuse_change_of_resolved_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'approval % is already %', OLD.id, OLD.status USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER approvals_resolution_is_final BEFORE UPDATE ON approvals
    FOR EACH ROW WHEN (OLD.status <> 'pending') EXECUTE FUNCTION refuse_change_of_resolved_approval();

-- Deliveries of notifications, as the notifier tells of them.
CREATE TABLE deliveries (
    id          uuid        PRIMARY KEY,
    approval_id uuid,
    run_id      text        NOT NULL,
    channel     text        NOT NULL,
    recipient   text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('pending', 'retrying', 'sent', 'failed')),
    attempts    integer     NOT NULL,
    error       text,
    seq         bigint      NOT NULL,
    changed_at  timestamptz NOT NULL
);

CREATE INDEX deliveries_by_approval ON deliveries (approval_id) WHERE approval_id IS NOT NULL;

-- API keys. A dump of this table lets nobody in: only hashes are stored.
CREATE TABLE api_keys (
    id         text        PRIMARY KEY, -- the public part of the key
    name       text        NOT NULL,
    role       text        NOT NULL CHECK (role IN ('admin', 'approver', 'starter', 'viewer')),
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CONSTRAINT api_keys_name UNIQUE (name)
);
