"""What the database itself has seen: each transition and each emitted event, with the transaction that committed it.

Triggers write it down, so a transition is seen however short its state lasted, and nothing is seen that was rolled
back.
"""

from dataclasses import dataclass

SCHEMA = """
CREATE SCHEMA audit;

CREATE TABLE audit.log (
    n      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    kind   text   NOT NULL, -- run, gate, approval, start, or an event's type
    id     text   NOT NULL, -- of the run; of approvals and what concerns them: theirs
    run_id text   NOT NULL,
    was    text,
    status text,
    seq    bigint,
    fence  bigint,
    gate   text,
    event  text    -- of an event; there is a line for each subscriber
);

CREATE FUNCTION audit.run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.log (kind, id, run_id, was, status, seq, fence, gate)
    VALUES ('run', NEW.id, NEW.id, OLD.status, NEW.status, NEW.seq, NEW.fence, coalesce(NEW.gate, OLD.gate));
    RETURN NULL;
END $$;
CREATE TRIGGER audit_insert AFTER INSERT ON executor.runs FOR EACH ROW EXECUTE FUNCTION audit.run();
CREATE TRIGGER audit_update AFTER UPDATE ON executor.runs FOR EACH ROW
    WHEN ((OLD.status, OLD.seq, OLD.fence) IS DISTINCT FROM (NEW.status, NEW.seq, NEW.fence))
    EXECUTE FUNCTION audit.run();

CREATE FUNCTION audit.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.log (kind, id, run_id, was, status, gate)
    VALUES ('gate', NEW.approval_id, NEW.run_id, CASE WHEN TG_OP = 'UPDATE' THEN coalesce(OLD.outcome, 'open') END,
            coalesce(NEW.outcome, 'open'), NEW.gate);
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON executor.gates FOR EACH ROW EXECUTE FUNCTION audit.gate();

CREATE FUNCTION audit.approval() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.log (kind, id, run_id, was, status, gate)
    VALUES ('approval', NEW.id, NEW.run_id, OLD.status, NEW.status, NEW.gate);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_insert AFTER INSERT ON approval.approvals FOR EACH ROW EXECUTE FUNCTION audit.approval();
CREATE TRIGGER audit_update AFTER UPDATE ON approval.approvals FOR EACH ROW
    WHEN ((OLD.status, OLD.resolved_by, OLD.resolved_at) IS DISTINCT FROM
          (NEW.status, NEW.resolved_by, NEW.resolved_at))
    EXECUTE FUNCTION audit.approval();

CREATE FUNCTION audit.start() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit.log (kind, id, run_id) VALUES ('start', NEW.id, NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON approval.runs FOR EACH ROW
    WHEN (NEW.started_by IS NOT NULL) EXECUTE FUNCTION audit.start();

CREATE FUNCTION audit.event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit.log (event, kind, id, run_id, status, seq, gate)
    SELECT event ->> 'id', NEW.type,
           CASE WHEN NEW.type LIKE 'approval.%' THEN data ->> 'approvalId' ELSE data ->> 'runId' END,
           data ->> 'runId', coalesce(data ->> 'status', data ->> 'outcome'), (data ->> 'seq')::bigint,
           data ->> 'gate'
      FROM json_array_elements(('[' || NEW.events || ']')::json) AS event, LATERAL (SELECT event -> 'data') AS d (data)
     WHERE NEW.type <> 'workflows.served.v1'; -- of no run
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON executor.outbox FOR EACH ROW EXECUTE FUNCTION audit.event();
CREATE TRIGGER audit AFTER INSERT ON approval.outbox FOR EACH ROW EXECUTE FUNCTION audit.event();
"""

# Far quicker than TRUNCATE, which works on files. Triggers guard updates, not this.
EMPTY = """
DELETE FROM audit.log; DELETE FROM executor.outbox; DELETE FROM executor.quarantine; DELETE FROM executor.runs;
DELETE FROM executor.workers; DELETE FROM approval.outbox; DELETE FROM approval.quarantine;
DELETE FROM approval.approvals; DELETE FROM approval.runs; DELETE FROM approval.run_steps;
DELETE FROM approval.run_retries; DELETE FROM approval.workers; DELETE FROM approval.workflows;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    n: int
    tx: int
    kind: str
    id: str
    run_id: str
    was: str | None
    status: str | None
    seq: int | None
    fence: int | None
    gate: str | None
    event: str | None
