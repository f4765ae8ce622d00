"""Signing in at an OpenID Connect provider, and all that must not lead to a session."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from pydantic import SecretStr

from kit.browser import LOCAL, Browser, browser
from kit.database import database
from kit.oidc import (
    ANA,
    CLIENT_ID,
    CLIENT_SECRET,
    Identities,
    confused,
    identity_provider,
    shared,
    stranger,
    unsigned,
)
from kit.stack import ADMIN_KEY, Deployment
from placet import Placet

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIE = "placet-8700"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def at(postgres_url: str, amqp_url: str) -> AsyncIterator[tuple[Deployment, Identities]]:
    """An approval service, and the provider that it knows."""
    async with database(postgres_url) as url, identity_provider() as provider:
        made = Deployment("local", Placet(), url, amqp_url, "unused")
        made.approval_options = {
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
            "oidc_groups": {"Finance (EU)": "finance", "IT": "operators"},
        }
        await made.start("approval")
        yield made, provider
        await made.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def provider(at: tuple[Deployment, Identities]) -> AsyncIterator[Identities]:
    """The provider, in good order again; somebody new signs in there."""
    found = at[1]
    found.claims = {**ANA, "sub": uuid4().hex, "email": f"{uuid4().hex[:8]}@example.com"}
    found.change, found.encode, found.userinfo = {}, None, None
    found.down = found.denies = False
    yield found


@pytest_asyncio.fixture(loop_scope="module")
async def running(at: tuple[Deployment, Identities]) -> Deployment:
    return at[0]


@pytest_asyncio.fixture(loop_scope="module")
async def ana(running: Deployment) -> AsyncIterator[Browser]:
    async with browser(running) as made:
        yield made


async def known(running: Deployment, provider: Identities, **more: Any) -> str:
    """Make a user with the address of whoever signs in next; the handle."""
    handle = f"u{uuid4().hex[:8]}"
    body = {"handle": handle, "roles": ["approver"], "emails": [provider.claims["email"]], **more}
    async with running.http(ADMIN_KEY) as admin:
        made = await admin.post("/v1/users", json=body)
    assert made.status_code == 201, made.text
    return handle


async def go(on: Browser, path: str = "/sign-in/provider") -> str:
    """Leave for the provider, and sign in there; the address to come back to."""
    left = await on.get(path)
    assert left.status_code == 303, left.text
    async with httpx2.AsyncClient() as elsewhere:
        back = await elsewhere.get(left.headers["location"])
    return str(back.headers["location"]).removeprefix(LOCAL)


async def sign_in(on: Browser) -> httpx2.Response:
    return await on.get(await go(on))


async def whoever(on: Browser) -> str:
    return str((await on.get("/v1/me")).json()["actor"])


def is_nobody(on: Browser, answer: httpx2.Response, status: int, said: str) -> None:
    """A page that says why, and no session."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert said in answer.text
    assert COOKIE not in on.cookies


async def test_somebody_known_is_signed_in(running: Deployment, provider: Identities, ana: Browser) -> None:
    """By their verified address, in whatever letters; they go on to where they wanted to."""
    provider.claims["email"] = provider.claims["email"].upper()
    handle = await known(running, provider)

    answer = await ana.get(await go(ana, "/sign-in/provider?next=/approvals/17"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/approvals/17")
    assert await whoever(ana) == f"user:{handle}"
    assert list(ana.cookies) == [COOKIE]  # what belongs to the way is gone
    async with running.http(ADMIN_KEY) as admin:
        user = (await admin.get(f"/v1/users/{handle}")).json()
    assert user["logins"] == [f"{provider.issuer}#{provider.claims['sub']}"]


async def test_an_account_stays_its_users(running: Deployment, provider: Identities, ana: Browser) -> None:
    """Whatever address it has later, also one of somebody else's."""
    handle = await known(running, provider)
    await sign_in(ana)
    provider.claims["email"] = f"{uuid4().hex[:8]}@example.com"
    await known(running, provider)

    await sign_in(ana)

    assert await whoever(ana) == f"user:{handle}"


async def test_an_address_that_is_given_to_somebody_new_lets_nobody_in(
    running: Deployment, provider: Identities, ana: Browser
) -> None:
    """Another account with a known user's address is not that user, until an administrator says so."""
    handle = await known(running, provider)
    await sign_in(ana)
    provider.claims["sub"] = uuid4().hex
    async with browser(running) as other:
        is_nobody(other, await sign_in(other), 403, "signs in with another account")

    assert await whoever(ana) == f"user:{handle}"


Case = Callable[[Identities], None]

BAD: dict[str, tuple[Case, str]] = {
    "wrong nonce": (lambda p: p.change.update(nonce="other"), "does not verify"),
    "no nonce": (lambda p: p.change.update(nonce=None), "does not verify"),
    "wrong audience": (lambda p: p.change.update(aud="somebody-else"), "does not verify"),
    "wrong audience, though asked for by us": (
        lambda p: p.change.update(aud="somebody-else", azp=CLIENT_ID),
        "does not verify",
    ),
    "audience of two, meant for another": (
        lambda p: p.change.update(aud=[CLIENT_ID, "other"], azp="other"),
        "does not verify",
    ),
    "wrong issuer": (lambda p: p.change.update(iss="https://evil.example"), "does not verify"),
    "expired": (lambda p: p.change.update(exp=1_700_000_000), "does not verify"),
    "without an end": (lambda p: p.change.update(exp=None), "does not verify"),
    "not yet": (lambda p: p.change.update(nbf=4_000_000_000), "does not verify"),
    "without a subject": (lambda p: p.change.update(sub=None), "does not verify"),
    "alg none": (lambda p: setattr(p, "encode", unsigned), "does not verify"),
    "HS256 with the public key": (lambda p: setattr(p, "encode", confused), "does not verify"),
    "HS256 with a published secret": (lambda p: setattr(p, "encode", shared), "does not verify"),
    "signed by a stranger": (lambda p: setattr(p, "encode", stranger), "does not verify"),
    "no token": (lambda p: setattr(p, "encode", lambda *_: ""), "does not verify"),
    "rubbish": (lambda p: setattr(p, "encode", lambda *_: "a.b.c"), "does not verify"),
    "unverified address": (lambda p: p.claims.update(email_verified=False), "has not verified"),
    "verified by another word": (lambda p: p.claims.update(email_verified="yes"), "has not verified"),
    "nothing said of verification": (lambda p: p.change.update(email_verified=None), "has not verified"),
    "no address": (lambda p: p.change.update(email=None), "has not verified"),
    "an address that folds into another": (
        lambda p: p.claims.update(email=f"\u212a{p.claims['email']}"),
        "characters that are not taken",
    ),
    "the provider says no": (lambda p: setattr(p, "denies", True), "did not let you in"),
}


@pytest.mark.parametrize("case", BAD)
async def test_what_is_wrong_signs_nobody_in(
    running: Deployment, provider: Identities, ana: Browser, case: str
) -> None:
    """Each is a page that says so, and no session, though the user is known."""
    await known(running, provider)
    spoil, said = BAD[case]
    spoil(provider)

    is_nobody(ana, await sign_in(ana), 403, said)


async def test_who_is_not_known_is_not_let_in(running: Deployment, provider: Identities, ana: Browser) -> None:
    """Unless the setting says otherwise, a verified address alone is not enough; and nobody is made."""
    is_nobody(ana, await sign_in(ana), 403, "Nobody here has the address")

    rows = await running.query(
        "approval", "SELECT FROM identities WHERE actor = $1", f"email:{provider.claims['email']}"
    )
    assert rows == []


async def test_who_is_disabled_is_not_let_in(running: Deployment, provider: Identities, ana: Browser) -> None:
    """Neither by their address, nor by an account that they had."""
    handle = await known(running, provider)
    await sign_in(ana)
    async with running.http(ADMIN_KEY) as admin:
        await admin.patch(f"/v1/users/{handle}", json={"disabled": True})

    async with browser(running) as fresh:
        is_nobody(fresh, await sign_in(fresh), 403, "is disabled")


async def test_keys_may_change(running: Deployment, provider: Identities, ana: Browser) -> None:
    """The provider's keys are kept; where one is not known, they are read again, once."""
    await known(running, provider)
    await sign_in(ana)
    read = provider.keys_read
    await sign_in(ana)
    assert provider.keys_read == read

    provider.rotate()

    assert (await sign_in(ana)).status_code == 303
    assert provider.keys_read == read + 1


async def test_a_provider_that_is_down_is_a_page(running: Deployment, provider: Identities, ana: Browser) -> None:
    """It says that nothing has happened; when the provider is back, one goes on."""
    await known(running, provider)
    back = await go(ana)
    provider.down = True

    is_nobody(ana, await ana.get(back), 503, "The sign-in provider does not answer as it should")

    provider.down = False
    assert (await sign_in(ana)).status_code == 303


async def test_what_comes_back_belongs_to_this_browser(running: Deployment, provider: Identities, ana: Browser) -> None:
    """Another browser's way back, a changed state, or none: refused. So nobody is signed in as somebody else."""
    await known(running, provider)
    back = await go(ana)
    async with browser(running) as victim:
        is_nobody(victim, await victim.get(back), 403, "begun in another browser")
        await go(victim)
        is_nobody(victim, await victim.get(back), 403, "begun in another browser")
    for wrong in ("/sign-in/callback", "/sign-in/callback?code=x", back.replace("state=", "state=x")):
        is_nobody(ana, await ana.get(wrong), 403, "begun in another browser")
    is_nobody(ana, await ana.get(f"{back}&iss=https://evil.example"), 403, "another provider")

    assert (await ana.get(back)).status_code == 303


async def test_a_way_back_is_gone_once(running: Deployment, provider: Identities, ana: Browser) -> None:
    """The same address again leads nowhere."""
    await known(running, provider)
    back = await go(ana)
    await ana.get(back)

    async with browser(running) as other:
        is_nobody(other, await other.get(back), 403, "begun in another browser")


async def test_the_address_may_come_from_userinfo(running: Deployment, provider: Identities, ana: Browser) -> None:
    """Where the ID token has none; but only for the same subject."""
    handle = await known(running, provider)
    provider.change = {"email": None, "email_verified": None}
    provider.userinfo = {**provider.claims, "sub": "another"}
    is_nobody(ana, await sign_in(ana), 403, "does not verify")

    provider.userinfo = dict(provider.claims)
    await sign_in(ana)

    assert await whoever(ana) == f"user:{handle}"


async def test_groups_follow_the_provider(running: Deployment, provider: Identities, ana: Browser) -> None:
    """At each sign-in, in those groups that are mapped; others stay as they are."""
    handle = await known(running, provider)
    async with running.http(ADMIN_KEY) as admin:
        for name in ("finance", "operators", "board"):
            await admin.post("/v1/groups", json={"name": name, "members": [handle] if name == "board" else []})

        async def groups() -> list[str]:
            return list((await admin.get(f"/v1/users/{handle}")).json()["groups"])

        for said, have in (
            (["Finance (EU)", "finance", "board"], ["board", "finance"]),
            (["IT"], ["board", "operators"]),
            (None, ["board", "operators"]),
            ([], ["board"]),
        ):
            provider.change = {"groups": said}
            assert (await sign_in(ana)).status_code == 303
            assert await groups() == have


async def test_new_people_are_let_in_where_the_setting_says_so(
    postgres_url: str, amqp_url: str, provider: Identities
) -> None:
    """They become users with the roles that it names, after their address; two of one name have two handles."""
    async with database(postgres_url) as url:
        made = Deployment("local", Placet(), url, amqp_url, "unused")
        made.approval_options = {
            "oidc_issuer": provider.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
            "oidc_new_users": True,
            "oidc_new_user_roles": ("approver",),
        }
        await made.start("approval")
        try:
            actors = []
            for domain in ("example.com", "example.org"):
                provider.claims |= {"sub": domain, "email": f"Ana+x@{domain}"}
                async with browser(made) as one:
                    assert (await sign_in(one)).status_code == 303
                    actors.append(await whoever(one))
            provider.claims |= {"sub": "3", "email": "bo@example.com", "email_verified": False}
            async with browser(made) as bo:
                is_nobody(bo, await sign_in(bo), 403, "has not verified")
        finally:
            await made.stop()

    assert actors == ["user:ana-x", "user:ana-x-2"]
