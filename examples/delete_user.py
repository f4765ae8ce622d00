"""A deletion that asks first. The compose stack runs this one: `delete_user:app`."""

from pydantic import BaseModel

from placet import Context, Email, Interrupt, Placet

app = Placet()


class DeleteUser(BaseModel):
    """Whom to delete."""

    user_id: str


class Deleted(BaseModel):
    """Who was deleted, and what went with the account."""

    user_id: str
    orders: int


async def count_orders(user_id: str) -> int:
    """Look up what the deletion would take with it. A real one would ask a database."""
    return 42


async def delete_account(user_id: str, idempotency_key: str) -> None:
    """Delete. A real one would pass the key on, so that a repeat deletes nothing twice."""


@app.workflow("delete-user", version=1)
async def delete_user(ctx: Context, input: DeleteUser) -> Deleted | Interrupt:
    """Delete a user, if somebody agrees."""
    orders = await ctx.step("count orders", count_orders, input.user_id)
    if not ctx.approved:
        return Interrupt.approval(
            title=f"Delete user {input.user_id}",
            message=f"I need your approval to delete the user {input.user_id}. Is this ok?",
            context={"orders": orders},
            destination=Email("ana@example.com"),
        )
    await delete_account(input.user_id, idempotency_key=ctx.idempotency_key)
    ctx.log.info("user.deleted")
    return Deleted(user_id=input.user_id, orders=orders)
