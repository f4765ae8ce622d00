-- A delivery: one notification on its way to one destination. See placet_notifier.domain for its states.
-- The row stays for good, without its payload once that was sent: so a repeated event never sends again.
CREATE TABLE deliveries (
    id          uuid        PRIMARY KEY,        -- made from its cause and its destination
    approval_id uuid,                           -- null: a notification that asks for nothing
    run_id      text        NOT NULL,
    channel     text        NOT NULL,
    destination json        NOT NULL,
    payload     json,                           -- what is to be told
    status      text        NOT NULL DEFAULT 'pending',
    seq         bigint      NOT NULL DEFAULT 1, -- grows with each change that is told to others
    attempts    integer     NOT NULL DEFAULT 0, -- counted as they begin
    due_at      timestamptz DEFAULT now(),      -- when to try next; while it is leased, when the lease ends
    lease       uuid,                           -- the fencing token of whoever sends it now
    error       text,                           -- of the last attempt that ended
    created_at  timestamptz NOT NULL DEFAULT now(),
    sent_at     timestamptz,

    CONSTRAINT deliveries_status CHECK (status IN ('pending', 'retrying', 'sent', 'failed')),
    CONSTRAINT deliveries_due_until_ended CHECK ((status IN ('pending', 'retrying')) = (due_at IS NOT NULL)),
    CONSTRAINT deliveries_leased_while_due CHECK (lease IS NULL OR due_at IS NOT NULL),
    CONSTRAINT deliveries_sent CHECK (
        (status = 'sent') = (sent_at IS NOT NULL) AND (status = 'sent') = (payload IS NULL)),
    CONSTRAINT deliveries_error CHECK ((status IN ('retrying', 'failed')) = (error IS NOT NULL)),
    CONSTRAINT deliveries_attempts CHECK (attempts > 0 OR (status = 'pending' AND lease IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_of_approval ON deliveries (approval_id) WHERE approval_id IS NOT NULL;

-- A delivery that has ended stays as it ended.
CREATE FUNCTION refuse_change_of_ended_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'delivery % has ended as %', OLD.id, OLD.status USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER deliveries_end_is_final BEFORE UPDATE ON deliveries
    FOR EACH ROW WHEN (OLD.status IN ('sent', 'failed')) EXECUTE FUNCTION refuse_change_of_ended_delivery();
