-- Whom pending approvals with terms ask now: a list of what waits for somebody reads that, and no other approval. Those
-- without terms ask everybody who has the role approver, and have no rows here. A service fills this as it starts.
CREATE TABLE approvers (
    approver    text        NOT NULL, -- user:ana, email:ana@example.com, group:finance, role:approver
    opened_at   timestamptz NOT NULL, -- of the approval, as its deadline
    expires_at  timestamptz,
    approval_id uuid        NOT NULL,
    PRIMARY KEY (approver, opened_at, approval_id)
);

CREATE INDEX approvers_by_deadline ON approvers (approver, expires_at, approval_id) WHERE expires_at IS NOT NULL;
CREATE INDEX approvers_by_approval ON approvers (approval_id);

-- What has ended asks nobody, whichever way it ended.
CREATE FUNCTION ask_nobody() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM approvers WHERE approval_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER approvals_that_end_ask_nobody AFTER UPDATE ON approvals
    FOR EACH ROW WHEN (NEW.terms IS NOT NULL AND NEW.status <> 'pending') EXECUTE FUNCTION ask_nobody();

CREATE INDEX approvals_with_terms ON approvals (id) WHERE status = 'pending' AND terms IS NOT NULL;

-- The history, by when it was made: as a whole, of one workflow, and with outcomes that are rare.
CREATE INDEX approvals_resolved ON approvals (resolved_at, id) WHERE status <> 'pending';
CREATE INDEX approvals_resolved_by_workflow ON approvals (workflow, resolved_at, id) WHERE status <> 'pending';
CREATE INDEX approvals_not_approved ON approvals (status, resolved_at, id) WHERE status NOT IN ('pending', 'approved');

CREATE INDEX api_keys_by_owner ON api_keys (owner) WHERE owner IS NOT NULL;

-- Who has opened the page of an approval while it was pending, and when first.
CREATE TABLE views (
    approval_id uuid        NOT NULL REFERENCES approvals (id),
    subject     text        NOT NULL,
    actor       text        NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (approval_id, subject)
);

ALTER TABLE approvals ADD COLUMN viewed boolean NOT NULL DEFAULT false; -- whether there are such

-- Decisions that their makers can undo for a moment. What became of one is kept for a day, so that they can be told.
CREATE TABLE held (
    id          uuid        PRIMARY KEY,
    approval_id uuid        NOT NULL REFERENCES approvals (id),
    subject     text        NOT NULL, -- who decided, the same by whatever way they come
    actor       text        NOT NULL,
    channel     text        NOT NULL,
    verdict     text        NOT NULL CHECK (verdict IN ('approve', 'reject')),
    comment     text,
    digest      text,       -- of what they were shown, and its revision
    revision    integer,
    made_at     timestamptz NOT NULL DEFAULT now(),
    release_at  timestamptz NOT NULL,
    state       text        NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'released', 'undone', 'refused')),
    ended_at    timestamptz,
    outcome     text,       -- of the approval, by a decision that was released
    refusal     text,       -- why, in words
    told        boolean     NOT NULL DEFAULT false, -- whether the maker has seen that it was refused

    CONSTRAINT held_end CHECK ((state = 'held') = (ended_at IS NULL)),
    CONSTRAINT held_outcome CHECK ((state = 'released') = (outcome IS NOT NULL)),
    CONSTRAINT held_refusal CHECK ((state = 'refused') = (refusal IS NOT NULL))
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX held_once ON held (approval_id, subject) WHERE state = 'held';
CREATE INDEX held_due ON held (release_at) WHERE state = 'held';
CREATE INDEX held_of_maker ON held (subject, made_at) WHERE state IN ('held', 'refused');
CREATE INDEX held_ended ON held (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX held_by_approval ON held (approval_id);
