"""Users, as an admin makes and changes them in the browser."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from kit.browser import Browser, browser, signed_in
from kit.office import Office
from kit.people import know

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def user(office: Office, handle: str) -> dict[str, Any]:
    found: dict[str, Any] = (await office.placet.http.get(f"/v1/users/{handle}")).json()
    return found


async def test_a_user_is_made(office: Office, eve: Browser) -> None:
    """With roles and addresses; the audit says who asked."""
    page = await eve.submit(
        "/settings/new-user",
        handle="new",
        name="New Person",
        emails="new@example.com, N2@Example.com",
        roles=["approver", "viewer"],
    )

    assert page.title == "New Person"
    assert "The user new is made" in page.text
    made = await user(office, "new")
    assert (made["name"], made["roles"]) == ("New Person", ["approver", "viewer"])
    assert made["emails"] == ["n2@example.com", "new@example.com"]
    entries = await office.placet.running.query(
        "approval",
        """
        SELECT DISTINCT e ->> 'by' AS by FROM audit AS a, json_array_elements(a.entries) AS e
         WHERE e ->> 'handle' = 'new'
        """,
    )
    assert entries == [{"by": "user:eve"}]


@pytest.mark.parametrize(
    ("form", "field", "why"),
    [
        ({"handle": ""}, "handle", "'' is no name"),
        ({"handle": "Has Space"}, "handle", "is no name"),
        ({"handle": "ana"}, "handle", "There is a user 'ana' already."),
        ({"emails": "nonsense"}, "emails", "'nonsense' is not an e-mail address."),
        ({"emails": "ana@example.com"}, "emails", "email:ana@example.com belongs to another user."),
        ({"name": "x" * 201}, "name", "A person's name has 1 to 200 printable characters."),
    ],
)
async def test_what_does_not_fit_is_said_beside_its_field(
    eve: Browser, form: dict[str, str], field: str, why: str
) -> None:
    """And what was typed stays there, roles too."""
    sent = {"handle": "other", "name": "Other", "emails": "", **form}

    page = await eve.submit("/settings/new-user", 422, roles=["starter"], **sent)

    assert list(page.errors) == [field]
    assert why in page.errors[field]
    assert {name: page.value(name) for name in sent} == sent
    assert [box["value"] for box in page.of("input", name="roles") if "checked" in box.attributes] == ["starter"]


async def test_users_are_searched_and_paged(office: Office, eve: Browser) -> None:
    """The search stays in the address, from page to page."""
    for number in range(60):
        await office.placet.http.post("/v1/users", json={"handle": f"many-{number:02}", "name": f"Zed {number}"})

    first = await eve.page("/settings/users?q=zed")
    [following] = first.of("a", rel="next")
    second = await eve.page(following["href"])

    assert following["href"] == "/settings/users?q=zed&after=many-49"
    assert len(first.of("tbody")[0].text.split("Zed ")) - 1 == 50
    assert len(second.of("tbody")[0].text.split("Zed ")) - 1 == 10
    assert second.value("q") == "zed"
    assert not second.of("a", rel="next")
    assert "Nobody fits" in (await eve.page("/settings/users?q=nobody-like-that")).text


async def test_name_and_roles_change(office: Office, eve: Browser) -> None:
    """Roles that are not there are none."""
    await know(office.placet, "ren")

    page = await eve.submit("/settings/users/ren", name="Ren Two", roles=["viewer", "root"])

    assert page.title == "Ren Two"
    assert (await user(office, "ren"))["roles"] == ["viewer"]
    assert (await eve.submit("/settings/users/ren", 422, name=" ")).errors.keys() == {"name"}
    await eve.submit("/settings/users/nobody", 404, name="x")


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        ("emails", "link@example.com", "emails"),
        ("slack", "T0123456/U0456780", "slack"),
        ("aliases", "CN=Link & Co <x>", "aliases"),
        ("logins", "https://id.example.com#17", "logins"),
    ],
)
async def test_what_somebody_is_known_by_is_linked_and_taken_away(
    office: Office, eve: Browser, kind: str, value: str, field: str
) -> None:
    """Each kind; a link that is not there cannot be taken away."""
    handle = f"link-{kind}"
    await know(office.placet, handle)
    before = (await user(office, handle))[field]

    page = await eve.submit(f"/settings/users/{handle}/links", do="link", kind=kind, value=value)
    assert value in page.text
    assert value in (await user(office, handle))[field]

    await eve.submit(f"/settings/users/{handle}/links", do="unlink", kind=kind, value=value)
    assert (await user(office, handle))[field] == before
    await eve.submit(f"/settings/users/{handle}/links", 404, do="unlink", kind=kind, value=value)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("emails", "bo@example.com", "email:bo@example.com belongs to another user."),
        ("slack", "bo", "is no Slack user"),
        ("aliases", "key:x", "is no alias"),
        ("logins", "nonsense", "An account is <issuer>#<subject>."),
        ("shoe size", "43", "Choose what it is."),
    ],
)
async def test_what_cannot_be_linked_is_said(eve: Browser, kind: str, value: str, why: str) -> None:
    """Beside the field."""
    page = await eve.submit("/settings/users/ana/links", 422, do="link", kind=kind, value=value)

    assert why in page.errors["value"]
    assert page.one("input", id="value")["value"] == value


async def test_groups_of_a_user(office: Office, eve: Browser) -> None:
    """Joined and left."""
    await know(office.placet, "gus")

    page = await eve.submit("/settings/users/gus/groups", do="join", group="legal")
    assert "gus joined legal." in page.text
    assert (await user(office, "gus"))["groups"] == ["legal"]
    await eve.submit("/settings/users/gus/groups", do="leave", group="legal")
    assert (await user(office, "gus"))["groups"] == []
    await eve.submit("/settings/users/gus/groups", 404, do="join", group="none")


async def test_a_login_link_is_shown_once_and_works(
    office: Office, eve: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the answer alone: in no address, cookie or log."""
    await know(office.placet, "lin")
    with capture_logs() as logs:
        page = await eve.submit("/settings/users/lin/login-link", 200)
    link = page.one("pre", id="secret").text
    secret = link.partition("#")[2]

    assert "15 minutes" in page.text
    assert len(secret) >= 43
    assert secret not in str(logs) + "".join(capfd.readouterr())
    assert secret not in (await eve.get("/settings/users/lin")).text
    assert secret not in str(eve.cookies)
    assert {"event": "login_link.created", "handle": "lin", "by": "user:eve", "log_level": "info"} in logs
    async with browser(office.placet.running) as lin:
        assert (await lin.use(link.removeprefix("http://localhost:8700"))).status_code == 303
        assert (await lin.page("/settings")).title == "Lin"


async def test_disabling_asks_first_and_shuts_out(office: Office, eve: Browser) -> None:
    """The page says what comes of it, and changes nothing; enabling lets in again."""
    await know(office.placet, "dis")
    async with signed_in(office.placet.running, "dis") as dis:
        asked = await eve.page("/settings/users/dis/disable")
        assert "signed out everywhere at once" in asked.text
        assert (await dis.get("/settings")).status_code == 200

        page = await eve.submit("/settings/users/dis/disable")
        assert "disabled" in page.text
        assert (await dis.get("/settings")).status_code == 303
    await eve.submit("/settings/users/dis/login-link", 403)

    await eve.submit("/settings/users/dis/enable")
    assert not (await user(office, "dis"))["disabled"]


async def test_sessions_of_a_user_end(office: Office, eve: Browser) -> None:
    """One of them, or all."""
    await know(office.placet, "ses")
    async with (
        signed_in(office.placet.running, "ses", agent="one") as one,
        signed_in(office.placet.running, "ses", agent="two") as two,
    ):
        first = (await one.get("/v1/me")).json()["session"]
        await eve.submit("/settings/users/ses/sessions", session=first)
        assert (await one.get("/settings")).status_code == 303
        assert (await two.get("/settings")).status_code == 200
        assert "signed out everywhere" in (await eve.submit("/settings/users/ses/sessions")).text
        assert (await two.get("/settings")).status_code == 303


async def test_nobody_steps_down_unawares(office: Office) -> None:
    """Taking the role admin from oneself, or disabling oneself, needs a word beside the button."""
    for handle in ("adm-1", "adm-2"):
        await know(office.placet, handle, role="admin")
    async with signed_in(office.placet.running, "adm-1") as one, signed_in(office.placet.running, "adm-2") as two:
        page = await one.submit("/settings/users/adm-1", 422, name="Adm", roles=["viewer"])
        assert "could not come back" in page.errors["aware"]
        assert "admin" in (await user(office, "adm-1"))["roles"]
        assert "Say that you know" in (await two.submit("/settings/users/adm-2/disable", 422)).text
        assert not (await user(office, "adm-2"))["disabled"]

        page = await one.submit("/settings/users/adm-1", name="Adm", roles=["viewer"], aware="yes")
        assert page.title == "Adm"
        assert (await one.get("/settings/users")).status_code == 403
        answer = await two.post("/settings/users/adm-2/disable", token=await two.token(), aware="yes")
        assert answer.status_code == 303
        assert (await user(office, "adm-2"))["disabled"]


async def test_the_last_admin_stays_one(office: Office, eve: Browser) -> None:
    """Whatever they say that they know."""
    page = await eve.submit("/settings/users/eve", 422, name="Eve", roles=[], aware="yes")
    assert "Eve is the last user with the role admin" in page.errors["roles"]

    asked = await eve.submit("/settings/users/eve/disable", 409, aware="yes")
    assert "Eve is the last user with the role admin" in asked.text
    assert (await eve.get("/settings/users")).status_code == 200
    patched = await office.placet.http.patch("/v1/users/eve", json={"roles": []})
    assert (patched.status_code, patched.json()["type"]) == (409, "urn:placet:problem:last-admin")


async def test_an_address_with_what_is_no_text_is_not_there(eve: Browser) -> None:
    """And nothing breaks."""
    for path in ("users/%00", "groups/%00", "policies/%00", "users/..%2f..%2fetc", "keys/%00/revoke", "users/%ff"):
        assert (await eve.get(f"/settings/{path}")).status_code == 404, path
