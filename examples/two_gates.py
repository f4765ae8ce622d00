"""A contract that two departments must agree to, one after the other. A refusal is the handler's to answer."""

from dataclasses import dataclass

from placet import ApprovalRefused, Context, Email, Placet, Slack

app = Placet()


@dataclass
class Contract:
    """What is to be signed."""

    partner: str
    euros: int


@dataclass
class Answer:
    """How it went."""

    signed: bool
    because: str


async def summarise(partner: str) -> str:
    """Gather what the deciders need. A real one would ask a language model, or a colleague."""
    return f"Framework contract with {partner}, two years, no exclusivity"


async def sign(contract: Contract, idempotency_key: str) -> None:
    """Sign it. A real one would call the signature provider with the key."""


@app.workflow("sign-contract", version=1)
async def sign_contract(ctx: Context, input: Contract) -> Answer:
    """Sign a contract if legal agrees and, where it costs much, finance too."""
    summary = await ctx.step("summarise", summarise, input.partner)
    try:
        legal = await ctx.require_approval(
            "legal",
            title=f"Contract with {input.partner}",
            message=summary,
            destination=Email("legal@example.com"),
            on_reject="resume",
        )
        if input.euros > 10_000:
            await ctx.require_approval(
                "finance",
                title=f"{input.euros} euros for {input.partner}",
                message=f"Legal has agreed ({legal.resolved_by}). Is there budget?",
                context={"euros": input.euros, "legal": legal.comment},
                destination=Slack(channel_id="C0123456789"),
                on_reject="resume",
            )
    except ApprovalRefused as refused:
        return Answer(signed=False, because=f"{refused.gate} said no: {refused.comment or 'without a reason'}")
    await sign(input, idempotency_key=ctx.idempotency_key)
    return Answer(signed=True, because="everybody agreed")
