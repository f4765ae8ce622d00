"""An agent's plan of tool calls. Those that change something wait for a person, each at a gate of its own."""

from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from placet import Context, Interrupt, Placet, Slack

app = Placet()


class ToolCall(BaseModel):
    """What a model asks for."""

    tool: str
    arguments: dict[str, str]


class Task(BaseModel):
    """What the agent is to do."""

    goal: str


async def plan(goal: str) -> list[ToolCall]:
    """Decide what to do. A real one asks a language model: as a step, so that every pass sees the same plan."""
    return [
        ToolCall(tool="search", arguments={"query": goal}),
        ToolCall(tool="refund", arguments={"order": "17", "euros": "80"}),
        ToolCall(tool="send_mail", arguments={"to": "customer@example.com", "text": "Your money is on its way."}),
    ]


async def search(arguments: dict[str, str], key: str) -> str:
    """Read something."""
    return f"order 17 matches {arguments['query']!r}"


async def refund(arguments: dict[str, str], key: str) -> str:
    """Pay somebody back. A real one passes the key to the payment provider, which then pays once."""
    return f"refunded {arguments['euros']} euros for order {arguments['order']}"


async def send_mail(arguments: dict[str, str], key: str) -> str:
    """Write to somebody."""
    return f"wrote to {arguments['to']}"


TOOLS: dict[str, Callable[[dict[str, str], str], Awaitable[str]]] = {
    "search": search,
    "refund": refund,
    "send_mail": send_mail,
}
RISKY = {"refund", "send_mail"}


@app.workflow("support-agent", version=1)
async def support_agent(ctx: Context, input: Task) -> list[str] | Interrupt:
    """Carry a plan out. What a person refuses is left out, and the agent goes on."""
    results: list[str] = []
    for number, call in enumerate(await ctx.step("plan", plan, input.goal), start=1):
        name = f"{number}:{call.tool}"
        if call.tool in RISKY:
            approval = ctx.approval(name)
            if approval is None:
                return Interrupt.approval(
                    name,
                    title=f"The agent wants to use {call.tool}",
                    message=f"To reach its goal: {input.goal}",
                    context=call.arguments,
                    destination=Slack(channel_id="C0123456789"),
                    on_reject="resume",
                )
            if not approval.approved:
                results.append(f"{call.tool} was refused by {approval.resolved_by}: {approval.comment}")
                continue
        results.append(await ctx.step(name, TOOLS[call.tool], call.arguments, ctx.idempotency_key_for(name)))
    return results
