"""A large backlog, written straight into the tables: what the statements of lists have to get along with."""

from placet_runtime.postgres import Connection

GROUPS = 10
PEOPLE = 50
_KINDS = """CASE WHEN n % 10 < 4 THEN NULL
                 WHEN n % 10 < 8 THEN ARRAY['group:g' || n % 10]
                 WHEN n % 10 = 8 THEN ARRAY['user:p' || n / 10 % 50, 'group:g9']
                 ELSE ARRAY['role:approver'] END"""


async def fill(conn: Connection, *, pending: int, resolved: int) -> None:
    """People in groups; approvals that are pending, of which four in ten ask anybody, and as old ones as are wanted."""
    await conn.execute(
        f"""
        INSERT INTO users (id, handle, name, roles)
        SELECT gen_random_uuid(), 'p' || n, 'P ' || n, ARRAY['approver'] FROM generate_series(0, {PEOPLE - 1}) AS n;
        INSERT INTO identities (actor, kind, user_id) SELECT 'user:' || handle, 'user', id FROM users;
        INSERT INTO identities (actor, kind, user_id)
        SELECT 'email:' || handle || '@example.com', 'email', id FROM users;
        INSERT INTO groups (name) SELECT 'g' || n FROM generate_series(0, {GROUPS - 1}) AS n;
        INSERT INTO group_members (group_name, user_id)
        SELECT 'g' || n % {GROUPS}, id FROM users, generate_series(0, {GROUPS - 1}) AS n
         WHERE substr(handle, 2)::integer % {GROUPS} IN (n, (n + 1) % {GROUPS}, (n + 2) % {GROUPS});

        INSERT INTO approvals (id, run_id, workflow, version, gate, status, title, input, digest, requested_by,
                               notified, opened_at, expires_at, terms)
        SELECT gen_random_uuid(), 'run-' || n, 'flow-' || n % 7, 1, 'approval', 'pending',
               'Please approve number ' || n, to_json(repeat('x', 500)), 'd', 'user:p' || n % {PEOPLE}, false,
               now() - n * interval '7 s',
               CASE WHEN n % 3 = 0 THEN now() + (n * 7919 % 100000) * interval '1 s' END,
               CASE WHEN kind IS NOT NULL THEN json_build_object('asks', json_build_array(json_build_object(
                   'source', 'author', 'stages', json_build_array(json_build_object(
                   'quorums', json_build_array(json_build_object('required', 2, 'approvers',
                       CASE WHEN kind = ARRAY['role:approver'] THEN '{{}}'::text[] ELSE kind END))))))) END
          FROM (SELECT n, {_KINDS} AS kind FROM generate_series(1, {pending}) AS n) AS asked;
        INSERT INTO approvers (approver, opened_at, expires_at, approval_id)
        SELECT unnest({_KINDS}), a.opened_at, a.expires_at, a.id
          FROM (SELECT *, substr(run_id, 5)::integer AS n FROM approvals) AS a;
        UPDATE approvals AS a SET requester = i.user_id FROM identities AS i WHERE i.actor = a.requested_by;
        INSERT INTO votes (approval_id, position, subject, actor, verdict, standing, channel)
        SELECT a.id, 0, u.id, 'user:' || u.handle, 'approve', '[{{"ask": 0, "stage": 0, "quorums": [0]}}]', 'api'
          FROM approvals AS a JOIN users AS u ON u.handle = 'p' || (substr(a.run_id, 5)::integer / 10 % {PEOPLE})
         WHERE a.terms IS NOT NULL AND substr(a.run_id, 5)::integer % 2 = 0;

        INSERT INTO approvals (id, run_id, workflow, version, gate, status, title, input, digest, requested_by,
                               notified, opened_at, resolved_at, resolved_by, channel)
        SELECT gen_random_uuid(), 'old-' || n, CASE WHEN n % 10000 = 0 THEN 'rare' ELSE 'flow-' || n % 7 END, 1,
               'approval', CASE WHEN n % 5000 = 0 THEN 'expired' WHEN n % 10 = 0 THEN 'rejected' ELSE 'approved' END,
               'Please approve number ' || n, to_json(repeat('x', 500)), 'd', 'user:p' || n % {PEOPLE}, false,
               now() - n * interval '60 s', now() - n * interval '50 s', 'user:p' || n % {PEOPLE}, 'api'
          FROM generate_series(1, {resolved}) AS n;
        ANALYZE;
        """
    )
