"""One's own account: who one is, where one is signed in, and who stands in while one is away."""

import re
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from kit.browser import Browser, signed_in
from kit.office import Office
from kit.people import know

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"


async def test_who_one_is(ana: Browser) -> None:
    """With all that one may do and is known by."""
    page = await ana.page("/settings")

    assert page.title == "Ana"
    for fact in ("user:ana", "approver", "everybody, finance", "ana@example.com", "ask an administrator"):
        assert fact in page.text


async def test_one_session_or_all_others_end(office: Office) -> None:
    """And the one that ends them goes on."""
    await know(office.placet, "sam")
    async with (
        signed_in(office.placet.running, "sam", agent=FIREFOX) as laptop,
        signed_in(office.placet.running, "sam", agent="phone") as phone,
        signed_in(office.placet.running, "sam", agent="tablet") as tablet,
        signed_in(office.placet.running, "sam", agent="kiosk") as kiosk,
    ):
        page = await laptop.page("/settings")
        assert "Firefox 141 on Linux this one" in page.text
        assert len(page.of("input", name="session")) == 3

        tablet_row = re.search(
            r"tablet.*?name=\"session\" value=\"([^\"]+)\"", (await laptop.get("/settings")).text, re.S
        )
        assert tablet_row is not None
        page = await laptop.submit("/settings/sessions", session=tablet_row[1])
        assert page.one("div", role="status", class_="good").text == "That browser is signed out."
        assert (await tablet.get("/settings")).status_code == 303
        assert (await phone.get("/settings")).status_code == 200

        page = await laptop.submit("/settings/sessions", others="yes")
        assert "signed out everywhere else" in page.text
        for each in (phone, kiosk):
            assert (await each.get("/settings")).status_code == 303
        assert "Sign out everywhere else" not in page.text


@pytest.mark.parametrize("session", ["", "x", "01900000-0000-7000-8000-000000000000"])
async def test_a_session_that_is_not_ones_own_does_not_end(office: Office, ana: Browser, session: str) -> None:
    """Whether there is none, or it is somebody else's."""
    await ana.submit("/settings/sessions", 404, session=session)

    async with signed_in(office.placet.running, "bo") as bo:
        theirs = (await bo.get("/v1/me")).json()["session"]
        await ana.submit("/settings/sessions", 404, session=theirs)
        assert (await bo.get("/settings")).status_code == 200


async def test_somebody_stands_in_and_does_no_more(office: Office) -> None:
    """Both see it; whoever is away can end it, and whoever stands in cannot."""
    await know(office.placet, "away")
    await know(office.placet, "here")
    async with signed_in(office.placet.running, "away") as away, signed_in(office.placet.running, "here") as here:
        assert "Nobody stands in for you" in (await away.page("/settings/away")).text
        with capture_logs() as logs:
            page = await away.submit(
                "/settings/away",
                delegate="here",
                starts="2026-01-01T09:00",
                ends="2036-02-01T09:00",
                zone="Europe/Berlin",
            )
        assert "here stands in for away." in page.text
        assert [(each["event"], each["by"]) for each in logs if each["event"] == "delegation.made"] == [
            ("delegation.made", "user:away")
        ]
        [made] = [
            each
            for each in (await office.placet.http.get("/v1/delegations")).json()["items"]
            if each["principal"] == "user:away"
        ]
        assert (made["delegate"], made["createdBy"]) == ("user:here", "user:away")
        assert datetime.fromisoformat(made["startsAt"]) == datetime(2026, 1, 1, 8, tzinfo=UTC)

        theirs = await here.page("/settings/away")
        assert "You stand in for" in theirs.text
        assert f"/settings/away/{made['id']}/end" not in [
            form["action"] for form in theirs.of("form") if "action" in form.attributes
        ]
        await here.submit(f"/settings/away/{made['id']}/end", 403)

        page = await away.submit(f"/settings/away/{made['id']}/end")
        assert "That has ended." in page.text
        assert "Nobody stands in for you" in page.text
        await away.submit(f"/settings/away/{made['id']}/end", 404)


@pytest.mark.parametrize(
    ("form", "field", "why"),
    [
        ({"delegate": ""}, "delegate", "Say who stands in."),
        ({"delegate": "nobody"}, "delegate", "Nobody is known as user:nobody."),
        ({"delegate": "ana"}, "delegate", "Nobody stands in for themselves."),
        ({"ends": "2026-01-01T09:00"}, "ends", "This is not later than the beginning."),
        ({"ends": "soon"}, "ends", "Say a day and a time, such as 2026-12-21 09:00."),
        ({"starts": ""}, "starts", "Say a day and a time, such as 2026-12-21 09:00."),
        (
            {"starts": "0001-01-01T00:00", "zone": "Asia/Tokyo"},
            "starts",
            "Say a day and a time, such as 2026-12-21 09:00.",
        ),
    ],
)
async def test_what_does_not_fit_is_said_beside_its_field(
    ana: Browser, form: dict[str, str], field: str, why: str
) -> None:
    """And what was typed stays there; nothing is changed."""
    sent = {"delegate": "bo", "starts": "2026-01-01T09:00", "ends": "2026-01-02T09:00", "zone": "UTC", **form}

    page = await ana.submit("/settings/away", 422, **sent)

    assert page.errors == {field: why}
    assert {name: page.value(name) for name in sent} == sent
    assert page.one("input", name=field)["aria-invalid"] == "true"
    assert "Nobody stands in for you" in page.text


async def test_only_admins_speak_for_others(office: Office, ana: Browser, eve: Browser) -> None:
    """An approver's form has no field for it, and what is sent all the same is refused."""
    times = {"starts": "2026-01-01T09:00", "ends": "2036-01-02T09:00"}
    assert not (await ana.page("/settings/away")).of("input", name="principal")
    refused = await ana.submit("/settings/away", 403, principal="cy", delegate="ana", **times)
    assert "nly user:cy themselves" in refused.text

    page = await eve.submit("/settings/away", principal="cy", delegate="bo", **times)

    assert "Everybody else" in page.text
    [row] = [each for each in page.of("tr") if each.text.startswith("cy")]
    assert "bo" in row.text
    assert "End now" in row.text


async def test_a_viewer_only_looks(office: Office) -> None:
    """Who cannot decide has no form to have somebody stand in."""
    await know(office.placet, "vic", role="viewer")
    async with signed_in(office.placet.running, "vic") as vic:
        page = await vic.page("/settings/away")

    assert not page.of("form", action="/settings/away")
