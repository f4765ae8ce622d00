"""An expense that its requester's manager decides on within three days. Who handed it in is told how it went."""

from datetime import timedelta

from pydantic import BaseModel, Field

from placet import Context, Destination, Email, Interrupt, Placet

app = Placet()


class Expense(BaseModel):
    """What was spent, and who decides: `{"type": "email", "email": "boss@example.com"}`, or a Slack user, ..."""

    employee: Email
    manager: Destination
    euros: int = Field(gt=0)
    purpose: str


async def pay(expense: Expense, idempotency_key: str) -> str:
    """Pay it. A real one gives the key to the bank, and gets a reference back."""
    return f"transfer {idempotency_key}"


@app.workflow("expense", version=1, retries=5, timeout=timedelta(seconds=30))
async def expense(ctx: Context, input: Expense) -> str | Interrupt:
    """Pay small amounts at once, and others if the manager agrees in time."""
    if input.euros > 50:
        decision = ctx.approval()
        if decision is None:
            await ctx.notify(
                message=f"Your expense of {input.euros} euros is being reviewed", destination=input.employee
            )
            return Interrupt.approval(
                title=f"{input.euros} euros for {input.purpose}",
                message=f"{input.employee} asks for {input.euros} euros. Reject it if the receipt is missing.",
                destination=input.manager,
                expires_in=timedelta(days=3),
                on_reject="resume",
            )
        if not decision.approved:
            reason = (
                "nobody decided in time" if decision.outcome == "expired" else decision.comment or "no reason given"
            )
            await ctx.notify(message=f"Your expense was not paid: {reason}", destination=input.employee)
            return f"not paid: {reason}"
    reference = await ctx.step("pay", pay, input, ctx.idempotency_key)
    await ctx.notify(message=f"Your expense was paid: {reference}", destination=input.employee)
    return reference
