-- What is added to transaction ids, so that positions go on growing after a restore into another cluster.
CREATE SEQUENCE audit_shift MINVALUE 0 START 0;

CREATE FUNCTION audit_position() RETURNS bigint LANGUAGE sql AS $$
    SELECT pg_current_xact_id()::text::bigint + (SELECT last_value FROM audit_shift)
$$;

-- Transitions that matter to an auditor, written by the statements that make them. A row holds those of one statement.
CREATE TABLE audit (
    position bigint      NOT NULL DEFAULT audit_position(), -- of the transaction
    id       bigint      GENERATED ALWAYS AS IDENTITY,
    at       timestamptz NOT NULL DEFAULT now(),
    entries  json        NOT NULL,
    PRIMARY KEY (position, id)
);

-- The chain: each seal covers the rows that have been committed since the one before.
CREATE TABLE audit_seals (
    seq  bigint PRIMARY KEY CHECK (seq > 0),
    rows bytea  NOT NULL, -- of each row its position, its id and its SHA-256
    seal text   NOT NULL  -- compact JWS
);

CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the audit only grows', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
CREATE TRIGGER audit_seals_only_grow BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();

-- From when on the chain covers every transition, and how many there were before. The locks wait for those under way.
LOCK TABLE approvals, runs, api_keys IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO audit (at, entries)
SELECT clock_timestamp(),
       json_strip_nulls(json_build_array(json_build_object(
           'kind', 'began', 'opened', count(*), 'resolved', count(*) FILTER (WHERE status <> 'pending'))))
  FROM approvals;
