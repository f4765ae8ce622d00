-- Who must say yes. Terms are what is asked on an approval; null: one person who has the role approver.
ALTER TABLE approvals
    ADD COLUMN requester   text,    -- who is behind requested_by, where that is somebody known
    ADD COLUMN destinations json,   -- who is told, where there is somebody
    ADD COLUMN asked       json,    -- the author's policy, as it came
    ADD COLUMN terms       json,    -- what is asked, as it was settled when it opened
    ADD COLUMN revision    integer  NOT NULL DEFAULT 1, -- counts up as terms are changed by somebody
    ADD COLUMN on_deadline text     NOT NULL DEFAULT 'expired' CHECK (on_deadline IN ('expired', 'rejected'));

-- Decisions on approvals with terms. One say each: nobody votes twice, nor for whom another has voted.
CREATE TABLE votes (
    approval_id  uuid        NOT NULL REFERENCES approvals (id),
    position     integer     NOT NULL, -- the order in which they were cast, from 0
    subject      text        NOT NULL, -- who decided, the same by whatever way they come
    principal    text,                 -- for whom, where that is another
    actor        text        NOT NULL,
    on_behalf_of text,                 -- the principal, in words
    verdict      text        NOT NULL CHECK (verdict IN ('approve', 'reject')),
    standing     json        NOT NULL, -- for what it counts
    channel      text        NOT NULL,
    comment      text,
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (approval_id, position),
    CONSTRAINT votes_once UNIQUE (approval_id, subject),
    CONSTRAINT votes_for_another CHECK (principal <> subject AND (principal IS NULL) = (on_behalf_of IS NULL))
);

CREATE UNIQUE INDEX votes_once_for_each ON votes (approval_id, principal) WHERE principal IS NOT NULL;

-- A vote is cast while its approval is pending, and is final; it goes with its run. What it counts for follows terms that somebody changes.
CREATE FUNCTION refuse_vote_on_resolved_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM approvals WHERE id = NEW.approval_id AND status = 'pending';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'approval % is resolved', NEW.approval_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER votes_while_pending BEFORE INSERT OR UPDATE ON votes
    FOR EACH ROW EXECUTE FUNCTION refuse_vote_on_resolved_approval();

CREATE FUNCTION refuse_change_of_vote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM approvals AS a JOIN deleted_runs AS d ON d.id = a.run_id WHERE a.id = OLD.approval_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a vote on approval % is final', OLD.approval_id USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER votes_are_final
    BEFORE DELETE OR UPDATE OF approval_id, position, subject, principal, actor, on_behalf_of, verdict, at ON votes
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_vote();

-- Reminders and escalations of open approvals. Each is done once.
CREATE TABLE moments (
    approval_id  uuid        NOT NULL REFERENCES approvals (id),
    position     integer     NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('reminder', 'escalation')),
    due_at       timestamptz NOT NULL,
    source       text        NOT NULL, -- of the ask that has it
    approvers    text[]      NOT NULL DEFAULT '{}', -- who may decide from then on
    destinations json        NOT NULL, -- who is told
    done_at      timestamptz,
    PRIMARY KEY (approval_id, position)
);

CREATE INDEX moments_due ON moments (due_at) WHERE done_at IS NULL;

-- What was done to open approvals.
CREATE TABLE changes (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    approval_id uuid        NOT NULL REFERENCES approvals (id),
    kind        text        NOT NULL CHECK (kind IN ('reminded', 'escalated', 'reassigned', 'reevaluated')),
    actor       text        NOT NULL,
    detail      text        NOT NULL,
    comment     text,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX changes_by_approval ON changes (approval_id);

-- Policies of the deployment: every version of each. At most one version of a name is in force.
CREATE TABLE policies (
    name       text        NOT NULL,
    version    integer     NOT NULL,
    spec       json        NOT NULL,
    in_force   boolean     NOT NULL DEFAULT true,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_by   text,
    ended_at   timestamptz,
    PRIMARY KEY (name, version),
    CONSTRAINT policies_end CHECK (in_force = (ended_at IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL))
);

CREATE UNIQUE INDEX policies_in_force ON policies (name) WHERE in_force;

-- Who stands in for whom, from when until when. Both are actors, such as user:ana.
CREATE TABLE delegations (
    id         uuid        PRIMARY KEY,
    principal  text        NOT NULL,
    delegate   text        NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_by   text,
    ended_at   timestamptz,
    CONSTRAINT delegations_time CHECK (starts_at < ends_at),
    CONSTRAINT delegations_of_another CHECK (principal <> delegate),
    CONSTRAINT delegations_end CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);

CREATE INDEX delegations_by_delegate ON delegations (delegate, ends_at) WHERE ended_at IS NULL;
