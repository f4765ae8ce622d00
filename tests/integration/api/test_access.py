"""Who may call what: keys, roles, and what a dump of the database gives away."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from kit.product import Product, problem
from placet_approval.api.endpoints import Endpoint
from placet_approval.api.operations import ENDPOINTS
from placet_approval.cli import commands
from placet_approval.domain import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = {"admin", "approver", "starter", "viewer"}
ADMIN = {"admin"}
MAY_CALL: dict[tuple[str, str], set[str]] = {
    ("POST", "/v1/runs"): {"admin", "starter"},
    ("GET", "/v1/runs"): ALL,
    ("GET", "/v1/runs/{id:path}"): ALL,
    ("POST", "/v1/runs/{id:path}/cancel"): {"admin", "starter"},
    ("GET", "/v1/approvals"): ALL,
    ("GET", "/v1/approvals/{id}"): ALL,
    ("POST", "/v1/approvals/{id}/decisions"): {"admin", "approver"},
    ("GET", "/v1/audit/head"): {"admin"},
    ("GET", "/v1/workflows"): ALL,
    ("GET", "/v1/workflows/{id}"): ALL,
    ("GET", "/v1/approvals/{id}/explain"): ALL,
    ("POST", "/v1/approvals/{id}/reassign"): {"admin"},
    ("POST", "/v1/approvals/{id}/reevaluate"): {"admin"},
    ("GET", "/v1/policies"): {"admin"},
    ("POST", "/v1/policies"): {"admin"},
    ("GET", "/v1/policies/{id}"): {"admin"},
    ("DELETE", "/v1/policies/{id}"): {"admin"},
    ("POST", "/v1/policy-tests"): {"admin"},
    ("GET", "/v1/delegations"): ALL,
    ("POST", "/v1/delegations"): {"admin", "approver"},
    ("DELETE", "/v1/delegations/{id}"): {"admin", "approver"},
    ("GET", "/v1/me"): ALL,
    ("GET", "/v1/me/sessions"): ALL,
    ("DELETE", "/v1/me/sessions"): ALL,
    ("GET", "/v1/users"): ADMIN,
    ("POST", "/v1/users"): ADMIN,
    ("GET", "/v1/users/{name}"): ADMIN,
    ("PATCH", "/v1/users/{name}"): ADMIN,
    ("GET", "/v1/users/{name}/sessions"): ADMIN,
    ("DELETE", "/v1/users/{name}/sessions"): ADMIN,
    ("GET", "/v1/groups"): ADMIN,
    ("POST", "/v1/groups"): ADMIN,
    ("GET", "/v1/groups/{name}"): ADMIN,
    ("PATCH", "/v1/groups/{name}"): ADMIN,
    ("DELETE", "/v1/groups/{name}"): ADMIN,
    ("GET", "/v1/keys"): ADMIN,
    ("POST", "/v1/keys"): ADMIN,
    ("DELETE", "/v1/keys/{name:path}"): ADMIN,
    ("GET", "/v1/quarantine"): ADMIN,
    ("GET", "/v1/quarantine/{service}/{id}"): ADMIN,
    ("POST", "/v1/quarantine/{service}/{id}/replay"): ADMIN,
    ("POST", "/v1/quarantine/{service}/{id}/discard"): ADMIN,
}
POLICY = {"policy": {"name": "nowhere", "match": {"workflow": "none"}}}
NEW = "new-{}"  # a name of its own for each call
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/runs"): {"workflow": "echo"},
    ("POST", "/v1/approvals/{id}/decisions"): {"decision": "approve"},
    ("POST", "/v1/users"): {"handle": NEW, "roles": ["viewer"]},
    ("PATCH", "/v1/users/{name}"): {"name": "Other"},
    ("POST", "/v1/groups"): {"name": NEW},
    ("PATCH", "/v1/groups/{name}"): {"members": []},
    ("POST", "/v1/keys"): {"name": NEW, "role": "viewer"},
    ("POST", "/v1/approvals/{id}/reassign"): {"from": "user:ana", "to": "user:bo"},
    ("POST", "/v1/approvals/{id}/reevaluate"): {},
    ("POST", "/v1/policies"): POLICY,
    ("POST", "/v1/policy-tests"): POLICY,
    ("POST", "/v1/delegations"): {
        "principal": "user:nobody",
        "delegate": "user:no-one",
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2026-01-02T00:00:00Z",
    },
}
NOTHING_THERE = {
    ("GET", "/v1/workflows/{id}"): 404,  # what the request is about is not there; who may ask is told so
    ("POST", "/v1/approvals/{id}/reassign"): 422,
    ("GET", "/v1/policies/{id}"): 404,
    ("DELETE", "/v1/policies/{id}"): 404,
    ("POST", "/v1/delegations"): 422,
    ("DELETE", "/v1/delegations/{id}"): 404,
    ("GET", "/v1/quarantine/{service}/{id}"): 404,
    ("POST", "/v1/quarantine/{service}/{id}/replay"): 404,
    ("POST", "/v1/quarantine/{service}/{id}/discard"): 404,
}

ROLES: list[Role] = ["admin", "approver", "starter", "viewer"]


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=named)
@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_what_it_is_for(
    placet: Product, pending: dict[str, Any], endpoint: Endpoint, role: Role
) -> None:
    """Every operation with every role: as the table says, and what is forbidden has no effect."""
    there = f"there-{uuid4().hex[:8]}"
    for made in ({"handle": there}, {"name": there}, {"name": there, "role": "viewer"}):
        kind = "users" if "handle" in made else "keys" if "role" in made else "groups"
        assert (await placet.http.post(f"/v1/{kind}", json=made)).status_code == 201
    id = pending["id"] if "approvals" in endpoint.path else pending["runId"]
    path = re.sub(r"{id(:path)?}", id, re.sub(r"{name(:path)?}", there, endpoint.path))
    body = {
        name: value.format(uuid4().hex[:8]) if isinstance(value, str) else value
        for name, value in BODIES.get((endpoint.method, endpoint.path), {}).items()
    }
    before = await managed(placet)
    async with placet.caller(role) as somebody:
        answer = await somebody.http.request(endpoint.method, path, json=body if endpoint.body else None)

    if role in MAY_CALL[endpoint.method, endpoint.path]:
        expected = NOTHING_THERE.get((endpoint.method, endpoint.path), endpoint.status)
        assert answer.status_code == expected, answer.text
    else:
        assert role in problem(answer, 403, "forbidden")["detail"]
        assert await placet.approval(pending["id"]) == pending
        after = await managed(placet)
        assert [key["name"] for key in after.pop("keys") if not key["name"].startswith(role)] == [
            key["name"] for key in before.pop("keys") if not key["name"].startswith(role)
        ]
        assert after == before


async def managed(placet: Product) -> dict[str, Any]:
    """All users, groups and keys."""
    return {
        kind: (await placet.http.get(f"/v1/{kind}{query}")).json()["items"]
        for kind, query in (("users", "?limit=200"), ("groups", ""), ("keys", ""))
    }


async def test_a_workers_key_can_start_and_nothing_else(placet: Product, pending: dict[str, Any]) -> None:
    """With the role of a starter, nobody decides, sees keys, or makes one."""
    allowed = {f"{method} {path}" for (method, path), roles in MAY_CALL.items() if "starter" in roles}

    assert {each for each in allowed if not each.startswith("GET")} == {
        "POST /v1/runs",
        "POST /v1/runs/{id:path}/cancel",
        "DELETE /v1/me/sessions",  # of which a key has none
    }
    async with placet.caller("starter") as worker:
        problem(await worker.decide(pending, "approve"), 403, "forbidden")
        problem(await worker.http.get("/v1/keys"), 403, "forbidden")
        assert (await worker.http.delete("/v1/me/sessions")).json() == {"ended": 0}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=named)
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer placet",
        "Bearer placet_0123456789ab_",
        "Bearer placet_0123456789ab_unknown",
        "Bearer test-admin-key",
        "Basic dGVzdC1hZG1pbi1rZXktMDEyMzQ1Njc4OTo=",
        "test-admin-key-0123456789",
        "Bearer \u00e9\u00e9",
    ],
)
async def test_nobody_may_do_nothing(placet: Product, endpoint: Endpoint, authorization: str | None) -> None:
    """Without a valid key every operation answers 401, whether what it names is there or not."""
    path = re.sub(r"{\w+:path}", "x", re.sub(r"{\w+}", str(uuid4()), endpoint.path))
    headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
    async with placet.running.http("") as http:
        answer = await http.request(endpoint.method, path, headers=headers)

    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_in_a_query_is_no_key(placet: Product) -> None:
    """Keys in addresses end up in logs: they are not looked at there."""
    async with placet.running.http("") as http:
        answer = await http.get("/v1/runs?key=test-admin-key-0123456789&access_token=test-admin-key-0123456789")

    problem(answer, 401, "unauthorized")


async def test_a_key_lives_from_its_creation_to_its_revocation(placet: Product) -> None:
    """Made, listed and revoked from the command line; revoked, its next call is refused."""
    name = f"ana-{uuid4().hex[:8]}"
    key = (await _cli(placet, "create", name, "--role", "viewer")).strip()
    async with placet.running.http(key) as http:
        assert (await http.get("/v1/runs")).status_code == 200

        listed = await _cli(placet, "list")
        assert re.search(rf"{name} +viewer +valid +- +used never", listed)
        assert key.split("_", 2)[2] not in listed
        await _cli(placet, "revoke", name)

        problem(await http.get("/v1/runs"), 401, "unauthorized")
    assert "revoked" in next(line for line in (await _cli(placet, "list")).splitlines() if name in line)


async def test_a_name_is_never_used_again(placet: Product) -> None:
    """Who decided stays clear: a revoked key's name is taken for good."""
    name = f"bo-{uuid4().hex[:8]}"
    await _cli(placet, "create", name, "--role", "approver")
    await _cli(placet, "revoke", name)

    assert "there is or was a key named" in await _cli(placet, "create", name, "--role", "approver", code=2)
    assert "no valid key" in await _cli(placet, "revoke", name, code=1)
    assert "unknown role" in await _cli(placet, "create", "x", "--role", "root", code=2)


async def test_half_a_key_opens_nothing(placet: Product) -> None:
    """The public part of one key and the secret of another, or a changed secret, are nobody's key."""
    one, other = await placet.key("admin"), await placet.key("admin")
    prefix, id, secret = one.split("_", 2)
    other_secret = other.split("_", 2)[2]

    for forged in (f"{prefix}_{id}_{other_secret}", f"{prefix}_{id}_{secret[:-1]}", f"x_{id}_{secret}", one + " x"):
        async with placet.running.http(forged) as http:
            problem(await http.get("/v1/runs"), 401, "unauthorized")


async def test_a_dump_of_the_database_lets_nobody_in(placet: Product) -> None:
    """No table holds a key or its secret part, as text or as bytes."""
    key = await placet.key("admin")
    async with placet.running.http(key) as http:
        await http.post("/v1/runs", json={"workflow": "echo"})
    dump = []
    for schema in ("approval", "executor", "notifier"):
        tables = await placet.running.query(
            schema, "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", schema
        )
        assert tables
        for table in tables:
            rows = await placet.running.query(schema, f"SELECT t::text AS row FROM {table['tablename']} AS t")
            dump += [row["row"] for row in rows]
    text = "\n".join(dump)
    secret = key.split("_", 2)[2]

    assert key.split("_", 2)[1] in text  # it is the right database
    assert secret not in text
    assert secret.encode().hex() not in text
    assert "test-admin-key" not in text


async def _cli(placet: Product, *arguments: str, code: int = 0) -> str:
    """What ``placet keys`` prints."""
    environment = {"PLACET_DATABASE_URL": placet.running.database_url, "TERM": "dumb", "COLUMNS": "200"}
    result = await asyncio.to_thread(CliRunner().invoke, commands, ["keys", *arguments], env=environment)
    assert result.exit_code == code, result.output
    return result.output
