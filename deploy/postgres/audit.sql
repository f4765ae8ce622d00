-- Once, as a superuser, after the approval service's schema has been brought up to date: its role may add to the audit,
-- and can neither change nor delete nor drop what is there. `placet_auditor` may read what `placet audit` looks at.
\set ON_ERROR_STOP on
BEGIN;

CREATE ROLE placet_audit_owner NOLOGIN;
CREATE ROLE placet_auditor NOLOGIN; -- GRANT placet_auditor TO whoever verifies

ALTER SCHEMA approval OWNER TO placet_audit_owner; -- the owner of a schema may drop what is in it
ALTER TABLE approval.audit OWNER TO placet_audit_owner;
ALTER TABLE approval.audit_seals OWNER TO placet_audit_owner;
ALTER FUNCTION approval.refuse_change_of_audit() OWNER TO placet_audit_owner;

GRANT USAGE, CREATE ON SCHEMA approval TO approval;
GRANT SELECT, INSERT ON approval.audit, approval.audit_seals TO approval;

GRANT USAGE ON SCHEMA approval TO placet_auditor;
GRANT SELECT ON approval.audit, approval.audit_seals, approval.audit_shift, approval.approvals TO placet_auditor;
GRANT SELECT (approval_id, position, verdict, actor, on_behalf_of, channel, comment, at) ON approval.votes TO placet_auditor;
GRANT SELECT (id, cancelled_by, created_at) ON approval.runs TO placet_auditor;
GRANT SELECT (id, name, role, created_at, revoked_at) ON approval.api_keys TO placet_auditor;

COMMIT;
