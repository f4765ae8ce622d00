"""Groups and API keys, as an admin manages them in the browser."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from kit.browser import Browser
from kit.office import Office
from kit.people import know

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def members(office: Office, name: str) -> list[str]:
    found: list[str] = (await office.placet.http.get(f"/v1/groups/{name}")).json()["members"]
    return found


async def key(office: Office, name: str) -> dict[str, Any]:
    [found] = [each for each in (await office.placet.http.get("/v1/keys")).json()["items"] if each["name"] == name]
    return dict(found)


async def test_a_group_from_its_making_to_its_end(office: Office, eve: Browser) -> None:
    """Made, filled, emptied, deleted; its members stay."""
    page = await eve.submit("/settings/groups", name="treasury")
    assert "Nobody is in it" in page.text

    page = await eve.submit("/settings/groups/treasury", do="add", members="ana, user:bo")
    assert "ana, bo added to treasury." in page.text
    assert await members(office, "treasury") == ["ana", "bo"]
    [row] = [each for each in (await eve.page("/settings/groups")).of("tr") if each.text.startswith("treasury")]
    assert row.text == "treasury 2 ana, bo"

    await eve.submit("/settings/groups/treasury", do="remove", members="bo")
    assert await members(office, "treasury") == ["ana"]

    asked = await eve.page("/settings/groups/treasury/delete")
    assert "Its members stay" in asked.text
    assert await members(office, "treasury") == ["ana"]
    page = await eve.submit("/settings/groups/treasury/delete")
    assert "The group treasury is deleted." in page.text
    assert (await eve.get("/settings/groups/treasury")).status_code == 404


async def test_members_who_cannot_decide_are_warned_of(office: Office, eve: Browser) -> None:
    """In the group, and at a policy that asks it or names them; until they have the role."""
    await know(office.placet, "vic", "auditors", role="viewer")
    await know(office.placet, "uma", "auditors")
    policy = {"name": "by-auditors", "match": {"workflow": "none"}}
    approvers = ["group:auditors", "user:vic", "user:uma", "group:nowhere"]
    body = {"policy": policy | {"stages": [{"quorums": [{"approvers": approvers}]}]}}
    assert (await office.placet.http.post("/v1/policies", json=body)).status_code == 200

    shown = await eve.page("/settings/groups/auditors")
    assert "Whoever decides needs the role approver too" in shown.text
    assert "Of these, some cannot: vic." in shown.text
    shown = await eve.page("/settings/policies/by-auditors")
    assert "group:auditors: without the role approver: vic" in shown.text
    assert "user:vic: has not the role approver" in shown.text
    assert "group:nowhere: there is no such group" in shown.text
    assert "user:uma: " not in shown.text

    await office.placet.http.patch("/v1/users/vic", json={"roles": ["approver"]})
    assert "needs the role approver" not in (await eve.page("/settings/groups/auditors")).text
    assert "user:vic: " not in (await eve.page("/settings/policies/by-auditors")).text
    await office.placet.http.delete("/v1/policies/by-auditors")


@pytest.mark.parametrize(("name", "why"), [("finance", "There is a group 'finance' already."), ("a b", "is no name")])
async def test_a_group_that_cannot_be_is_said(eve: Browser, name: str, why: str) -> None:
    """Beside the field, with what was typed."""
    page = await eve.submit("/settings/groups", 422, name=name)

    assert why in page.errors["name"]
    assert page.value("name") == name


async def test_members_that_are_not_there_are_said(office: Office, eve: Browser) -> None:
    """And none of the others is added."""
    page = await eve.submit("/settings/groups/legal", 422, do="add", members="ana nobody")

    assert page.errors == {"members": "There is no user nobody."}
    assert "ana" not in await members(office, "legal")
    assert (await eve.submit("/settings/groups/legal", 422, do="add", members=" ")).errors.keys() == {"members"}


async def test_deleting_a_group_names_the_policies_that_ask_it(office: Office, eve: Browser) -> None:
    """At once, or in time."""
    await eve.submit("/settings/groups", name="named")
    asks = {"stages": [{"quorums": [{"approvers": ["group:named"]}]}]}
    escalates = {"escalations": [{"after": 60.0, "to": ["group:named"]}]}
    for policy in ({"name": "names-it", **asks}, {"name": "names-it-later", **escalates}, {"name": "does-not"}):
        assert (await office.placet.http.post("/v1/policies", json={"policy": policy})).is_success

    asked = await eve.page("/settings/groups/named/delete")

    assert "The policy names-it names it" in asked.text
    assert "The policy names-it-later names it" in asked.text
    assert "does-not" not in asked.text
    assert "names-it" in (await eve.page("/settings/groups/named")).text
    for name in ("names-it", "names-it-later", "does-not"):
        await office.placet.http.delete(f"/v1/policies/{name}")


async def test_a_key_is_shown_once_and_works(office: Office, eve: Browser, capfd: pytest.CaptureFixture[str]) -> None:
    """In the answer alone: in no address, no later page, no log."""
    with capture_logs() as logs:
        page = await eve.submit("/settings/new-key", 200, name="shown-once", role="viewer", owner="ana", days="7")
    secret = page.one("pre", id="secret").text

    assert secret.startswith("placet_")
    assert "the only time that it is shown" in page.text
    assert secret not in (await eve.get("/settings/keys")).text
    assert secret not in str(logs) + "".join(capfd.readouterr())
    assert {"name": "shown-once", "by": "user:eve"}.items() <= next(
        e for e in logs if e["event"] == "key.created"
    ).items()
    assert (await key(office, "shown-once"))["owner"] == "ana"
    async with office.placet.running.http(secret) as http:
        assert (await http.get("/v1/runs")).status_code == 200


@pytest.mark.parametrize(
    ("form", "field", "why"),
    [
        ({"name": ""}, "name", "A key's name has 1 to 100 printable characters."),
        ({"name": "admin"}, "name", "There is or was a key named 'admin'."),
        ({"role": "root"}, "role", "Choose one."),
        ({"owner": "nobody"}, "owner", "There is no user nobody."),
        ({"role": "admin", "owner": "ana"}, "role", "ana may not do what a key"),
        ({"days": "0"}, "days", "A number of days"),
        ({"days": "-1"}, "days", "A number of days"),
        ({"days": "1e9"}, "days", "A number of days"),
        ({"days": "99999999999999999999"}, "days", "A number of days"),
        ({"days": "\u0661"}, "days", "A number of days"),
    ],
)
async def test_a_key_that_cannot_be_is_said(eve: Browser, form: dict[str, str], field: str, why: str) -> None:
    """Beside the field, with what was typed; no key is made."""
    sent = {"name": "cannot-be", "role": "viewer", "owner": "", "days": "", **form}

    page = await eve.submit("/settings/new-key", 422, **sent)

    assert list(page.errors) == [field]
    assert why.lower() in page.errors[field].lower()
    assert {name: page.value(name) for name in ("name", "owner", "days")} == {
        name: sent[name] for name in ("name", "owner", "days")
    }
    assert "cannot-be" not in (await eve.page("/settings/keys?show=all")).text


async def test_revoking_asks_first(office: Office, eve: Browser) -> None:
    """Revoked, its next request is refused, and it is among the others no more; by its id, as names may be anything."""
    await eve.submit("/settings/new-key", 200, name="a/b?c #d", role="viewer", owner="", days="")
    made = await key(office, "a/b?c #d")
    assert made["expiresAt"] is None

    asked = await eve.page(f"/settings/keys/{made['id']}/revoke")
    assert "a/b?c #d" in asked.title
    assert (await key(office, "a/b?c #d"))["state"] == "valid"

    page = await eve.submit(f"/settings/keys/{made['id']}/revoke")
    assert "is revoked" in page.text
    assert "a/b?c #d" not in page.one("table").text
    assert (await key(office, "a/b?c #d"))["state"] == "revoked"
    assert "a/b?c #d revoked" in (await eve.page("/settings/keys?show=all")).text
    assert (await eve.get("/settings/keys/none/revoke")).status_code == 404


async def test_a_users_page_has_their_keys(office: Office, eve: Browser) -> None:
    """And a link to make one more."""
    await know(office.placet, "kay")

    page = await eve.page("/settings/users/kay")

    assert "kay-" in page.text
    assert (await eve.page("/settings/new-key?owner=kay")).value("owner") == "kay"
