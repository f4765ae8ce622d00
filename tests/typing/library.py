"""What type checkers must know of the author's library. Checked by mypy; never run."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any, assert_type

from pydantic import BaseModel

from placet import Approval, Context, Email, Group, Interrupt, Placet, PlacetClient, Stage, SyncContext, User
from placet.views import ApprovalView, Run


class Ask(BaseModel):
    user: str


class Account(BaseModel):
    user: str


async def load(user: str, *, deep: bool = False) -> Account:
    return Account(user=user)


def load_blocking(user: str) -> Account:
    return Account(user=user)


def load_later(user: str) -> Awaitable[Account]:
    return load(user)


app = Placet()


@app.workflow("typed", version=2, retries=0, timeout=1.5)
async def typed(ctx: Context[Ask], input: Ask) -> Account | Interrupt:
    assert_type(ctx.input, Ask)
    assert_type(await ctx.step("a", load, "u", deep=True), Account)
    assert_type(await ctx.step("b", load_blocking, "u"), Account)
    assert_type(await ctx.step("c", load_later, "u"), Account)
    assert_type(await ctx.step("d", lambda: 1), int)
    assert_type(await ctx.require_approval("legal", message="Ok?", destination=Email("a@example.com")), Approval)
    assert_type(ctx.approval("legal"), Approval | None)
    assert_type(ctx.approved, bool)
    await ctx.notify(message="hello", destination=[Email("a@example.com")])
    await ctx.step("e", load)  # type: ignore[call-overload]
    await ctx.step("f", load, 3)  # type: ignore[call-overload]
    await ctx.require_approval("legal", mesage="Ok?")  # type: ignore[call-arg]
    return Interrupt.approval("board", on_reject="resume", expires_in=60)


@app.workflow("blocking")
def blocking(ctx: SyncContext, input: Ask) -> Account:
    assert_type(ctx.input, Any)
    assert_type(ctx.step("a", load, "u"), Account)
    assert_type(ctx.require_approval(), Approval)
    return ctx.step("b", load_blocking, "u")


@app.workflow("sync-with-async-context")  # type: ignore[type-var]
def mistaken(ctx: Context, input: Ask) -> Account:
    raise NotImplementedError


@app.workflow("without-input")  # type: ignore[type-var]
async def inputless(ctx: Context) -> Account:
    raise NotImplementedError


async def decorated_handlers_stay_what_they_are(ctx: Context[Ask]) -> None:
    assert_type(await typed(ctx, Ask(user="u")), Account | Interrupt)


async def the_client_is_typed(placet: PlacetClient) -> None:
    assert_type(await placet.start("typed", Ask(user="u")), Run)
    assert_type(await placet.wait("run-1", timeout=3, until="paused"), Run)
    assert_type(placet.approvals(), AsyncIterator[ApprovalView])
    await placet.decide("id", "aprove")  # type: ignore[arg-type]


Interrupt.approval(on_reject="resmue")  # type: ignore[arg-type]
Interrupt.approval(approvers=[User("ana"), Group("finance"), Email("bo@example.com")], required=2)
Interrupt.approval(stages=[Stage(User("ana"), when="input.amount > 1")], requester_may_decide=False)
Interrupt.approval(approvers="ana")  # type: ignore[arg-type]
Interrupt.approval(requried=2)  # type: ignore[call-arg]
Stage("ana")  # type: ignore[arg-type]
Interrupt.approval(destination="ana@example.com")  # type: ignore[arg-type]
