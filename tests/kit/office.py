"""A deployment whose workflow asks as its input says, and people in it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from kit.people import somebody
from kit.product import Product, product
from placet import Context, Escalation, Group, Hours, Placet, Quorum, Stage, User, Webhook

app = Placet()

ASKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "two-of-three": {"approvers": [User("ana"), User("bo"), User("cy")], "required": 2},
    "four-eyes": {"required": 2},
    "group": {"approvers": Group("finance")},
    "stages": {"stages": [Stage(Group("finance"), name="money"), Stage(Group("legal"))]},
    "all-branches": {"stages": [Stage(Quorum(Group("finance")), Quorum(Group("legal")))]},
    "any-branch": {"stages": [Stage(Quorum(Group("finance"), required=2), Quorum(Group("legal")), need="any")]},
    "two-rejections": {"approvers": Group("everybody"), "required": 3, "rejections": 2},
    "self": {"requester_may_decide": True},
    "never-self": {"requester_may_decide": False},
    "condition": {"stages": [Stage(User("ana")), Stage(Group("finance"), when="input.amount > 1000")]},
    "rule": {"approve_when": "input.amount < 10"},
    "open-to-rules": {"rules_may_approve": True},
    "reject-in-time": {"expires_in": 0.2, "on_deadline": "reject"},
    "reminded": {"reminders": [0.05, 0.1], "expires_in": 3600, "destination": Webhook("http://127.0.0.1:9/x")},
    "escalated": {"approvers": User("ana"), "escalate": Escalation(0.05, User("cy"))},
    "office": {"expires_in": 3600, "hours": Hours("UTC", days=["mon"], holidays=[])},
    "everybody": {"approvers": Group("everybody"), "required": 3},
}


@app.workflow("asks")
async def asks(ctx: Context, input: dict[str, Any]) -> str:
    await ctx.require_approval(**ASKS[input["asks"]])
    return "done"


@app.workflow("two-gates")
async def two_gates(ctx: Context, input: Any) -> str:
    await ctx.require_approval("first")
    await ctx.require_approval("second", distinct_gates=True)
    return "done"


class Office:
    """A deployment, and the people in it: each a caller of its API. Dee has no role but to look."""

    def __init__(self, placet: Product, people: dict[str, Product]) -> None:
        self.placet = placet
        self.people = people

    def __getattr__(self, handle: str) -> Product:
        return self.people[handle]

    async def ask(self, asks: str, by: str | None = None, **input: Any) -> dict[str, Any]:
        """An approval that is asked for, by somebody or by the admin key."""
        return await self.placet.paused(await self.run(asks, by, **input))

    async def run(self, asks: str, by: str | None = None, **input: Any) -> str:
        caller = self.placet if by is None else self.people[by]
        return await caller.start("asks", {"asks": asks, **input})


@asynccontextmanager
async def office(postgres_url: str, amqp_url: str) -> AsyncIterator[Office]:
    """An office at work."""
    groups = {
        "ana": ["finance", "everybody"],
        "bo": ["finance", "legal", "everybody"],
        "cy": ["legal", "everybody"],
        "dee": ["everybody"],
        "eve": ["everybody"],
    }
    async with product("local", app, postgres_url, amqp_url) as made, AsyncExitStack() as stack:
        people = {
            handle: await stack.enter_async_context(
                somebody(made, handle, *mine, role="admin" if handle == "eve" else "approver")
            )
            for handle, mine in groups.items()
        }
        yield Office(made, people)
