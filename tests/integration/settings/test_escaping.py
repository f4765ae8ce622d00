"""What people have typed is shown as they have typed it, and is never run."""

import json

import pytest

from kit.browser import Browser, signed_in
from kit.markup import Markup
from kit.office import Office
from kit.people import know

pytestmark = pytest.mark.asyncio(loop_scope="module")

CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    '" autofocus onfocus="alert(1)',
    "</textarea><script>alert(1)</script>",
    "</pre></title><iframe src=javascript:alert(1)>",
    "javascript:alert(1)",
    "{{ visit.token }} {% for x in y %}",
    "&lt;b&gt; &amp; &#60;",
]


@pytest.mark.parametrize("text", CORPUS)
async def test_names_are_text(office: Office, eve: Browser, text: str) -> None:
    """A user's name and alias, a browser's name, a key's: on every page that shows them."""
    handle = f"x{CORPUS.index(text)}"
    await know(office.placet, handle)
    await eve.submit(f"/settings/users/{handle}", name=text, roles=["approver"])
    await eve.submit(f"/settings/users/{handle}/links", do="link", kind="aliases", value=f"{handle} {text}")
    made = await eve.submit("/settings/new-key", 200, name=f"{handle} {text}", role="viewer", owner=handle, days="")
    await office.placet.http.patch("/v1/groups/legal", json={"members": [handle]})
    async with signed_in(office.placet.running, handle, agent=f"Mozilla {text}") as theirs:
        pages = [
            made,
            await theirs.page("/settings"),
            await theirs.page("/settings/away"),
            *[
                await eve.page(f"/settings/{path}")
                for path in ("users", f"users/{handle}", f"users/{handle}/disable", "keys", "groups/legal", "away")
            ],
        ]

    shown = " ".join(text.split())
    for page in pages:
        assert list(page.handlers) == []
    assert pages[1].title == shown
    assert shown in pages[1].one("table").text
    assert pages[4].value("name") == text
    assert f"{handle} {shown}" in pages[4].text
    assert f"{handle} {shown}" in pages[6].text


@pytest.mark.parametrize("text", CORPUS)
async def test_what_did_not_fit_is_text(eve: Browser, text: str) -> None:
    """In its field again, beside what is said of it, and in the search."""
    pages = [
        (await eve.submit("/settings/new-user", 422, handle=text), "handle"),
        (await eve.submit("/settings/groups", 422, name=text), "name"),
        (await eve.submit("/settings/users/ana/links", 422, do="link", kind="slack", value=text), "value"),
        (await eve.submit("/settings/new-key", 422, name="n", role=text, owner=text), "owner"),
        (await eve.submit("/settings/new-policy", 422, policy=text, version=text), "policy"),
        (await eve.submit("/settings/policy-tests", 422, policy="{}", input=text, workflow=text), "input"),
        (await eve.submit("/settings/away", 422, delegate=text, starts=text, ends=text, zone=text), "delegate"),
    ]

    for page, field in pages:
        assert list(page.handlers) == []
        assert page.value(field) == text
    found = Markup((await eve.http.get("/settings/users", params={"q": text, "after": text})).text)
    assert list(found.handlers) == []
    assert found.value("q") == text


@pytest.mark.parametrize("text", CORPUS)
async def test_a_policys_text_is_text(eve: Browser, text: str) -> None:
    """The name of a stage, a condition, a workflow: in words, in JSON, in what changed, and where it is tested."""
    name = f"xss-{CORPUS.index(text)}"
    quorums = [{"approvers": ["user:ana"]}]
    condition = f"input.a == {json.dumps(text)}"
    first = {"name": name, "stages": [{"name": text, "quorums": quorums, "when": condition}], "approveWhen": condition}
    second = {"name": name, "stages": [{"name": f"two {text}", "quorums": quorums}]}

    pages = [
        await eve.submit("/settings/new-policy", policy=json.dumps(first), version="0"),
        await eve.page("/settings/policies"),
        await eve.page(f"/settings/policies/{name}/edit"),
        await eve.page(f"/settings/policies/{name}/end"),
        await eve.submit(
            "/settings/policy-tests", 200, policy=json.dumps(first), input=json.dumps({"a": text}), workflow=text
        ),
        await eve.submit(f"/settings/policies/{name}/edit", policy=json.dumps(second), version="1"),
    ]
    await eve.submit(f"/settings/policies/{name}/end")

    for page in pages:
        assert list(page.handlers) == []
    assert " ".join(f"1 of user:ana ({text})".split()) in pages[0].text
    assert json.loads(pages[2].value("policy"))["stages"][0]["name"] == text
