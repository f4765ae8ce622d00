"""What the demo's company automates: an online shop for garden tools, and its seven risky workflows.

Nothing here does anything: the effects are functions that say what they would have done.
"""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field

from placet import Context, Escalation, Group, Interrupt, Placet, Stage, User
from placet_standalone.demo import lookups

app = Placet()

SMALL_REFUND = 100  # euros that nobody needs to agree to


class Refund(BaseModel):
    """Money back to a customer."""

    order: str = Field(description="as on the invoice")
    customer: str
    amount: float = Field(gt=0, description="in euros")
    reason: str


def ask_refund(input: Refund) -> Interrupt:
    """Support agrees to refunds, and finance to large ones."""
    return Interrupt.approval(
        title=f"Refund {input.amount:,.2f} € to {input.customer}",
        message=f"**{input.customer}** asks for **{input.amount:,.2f} €** back for order `{input.order}`:\n\n"
        f"> {input.reason}\n\nRefunds of up to {SMALL_REFUND} € are paid without asking.",
        context=lookups.order(input.order, input.amount),
        approvers=Group("finance" if input.amount > 500 else "support"),
        expires_in=timedelta(days=2),
    )


@app.workflow("refund", version=2)
async def refund(ctx: Context, input: Refund) -> str | Interrupt:
    """Pay a customer back; above a limit only if somebody agrees."""
    await ctx.step("look up the order", lookups.order, input.order, input.amount)
    if input.amount > SMALL_REFUND and not ctx.approved:
        return ask_refund(input)
    return f"paid {input.amount:,.2f} € back to {input.customer}"


class Deploy(BaseModel):
    """A version of a service that goes live."""

    service: str
    version: str
    replaces: str
    environment: Literal["staging", "production"] = "production"


def ask_deploy(input: Deploy) -> Interrupt:
    """Operations agrees within two hours, or it is not deployed today."""
    changes = lookups.changes(input.service, input.version)
    return Interrupt.approval(
        title=f"Deploy {input.service} {input.version} to {input.environment}",
        message=f"All checks are green. {len(changes)} changes go live:\n\n"
        + "\n".join(f"- {each}" for each in changes),
        context={
            "release": {
                "before": lookups.manifest(input.service, input.replaces),
                "after": lookups.manifest(input.service, input.version),
            },
            "checks": {"unit": "passed", "integration": "passed", "smoke": "passed"},
            "rollback": f"deploy {input.service} {input.replaces}",
        },
        approvers=Group("ops"),
        expires_in=timedelta(hours=2),
    )


@app.workflow("deploy", version=3)
async def deploy(ctx: Context, input: Deploy) -> str | Interrupt:
    """Deploy a service."""
    await ctx.step("read the changes", lookups.changes, input.service, input.version)
    if input.environment == "production" and not ctx.approved:
        return ask_deploy(input)
    return f"{input.service} {input.version} is live in {input.environment}"


class DeleteUser(BaseModel):
    """Somebody who wants to be forgotten."""

    user_id: str
    reason: str = "asked for by the customer"


def ask_delete_user(input: DeleteUser) -> Interrupt:
    """Whoever may decide at all."""
    return Interrupt.approval(
        title=f"Delete the user {input.user_id}",
        message=f"Delete **{input.user_id}** and all that belongs to the account?\n\n**This cannot be undone.** "
        "Invoices are kept for ten years, as the law asks.",
        context=lookups.belongings(input.user_id),
        expires_in=timedelta(days=7),
    )


@app.workflow("delete-user")
async def delete_user(ctx: Context, input: DeleteUser) -> str | Interrupt:
    """Delete a user, if somebody agrees."""
    found = await ctx.step("count what goes with it", lookups.belongings, input.user_id)
    if not ctx.approved:
        return ask_delete_user(input)
    return f"deleted {input.user_id} with {found['orders']} orders"


class VendorPayment(BaseModel):
    """An invoice that is due."""

    vendor: str
    invoice: str
    amount: float = Field(gt=0, description="in euros")
    iban: str


def ask_vendor_payment(input: VendorPayment) -> Interrupt:
    """Two out of finance."""
    return Interrupt.approval(
        title=f"Pay {input.amount:,.2f} € to {input.vendor}",
        message=f"Invoice **{input.invoice}** of {input.vendor} is due. Two people of finance must agree.",
        context=lookups.vendor(input.vendor, input.amount),
        approvers=Group("finance"),
        required=2,
        expires_in=timedelta(days=3),
        reminders=[timedelta(days=1)],
    )


@app.workflow("vendor-payment")
async def vendor_payment(ctx: Context, input: VendorPayment) -> str | Interrupt:
    """Pay a vendor, with four eyes."""
    await ctx.step("match the purchase order", lookups.vendor, input.vendor, input.amount)
    if not ctx.approved:
        return ask_vendor_payment(input)
    return f"transferred {input.amount:,.2f} € to {input.vendor}"


class CustomerMail(BaseModel):
    """An answer that an agent has written."""

    to: str
    subject: str
    body: str


def ask_customer_mail(input: CustomerMail) -> Interrupt:
    """Support reads what the agent would send."""
    quoted = "\n".join(f"> {line}" for line in input.body.splitlines())
    return Interrupt.approval(
        title=f"Send “{input.subject}” to {input.to}",
        message=f"The help desk agent has written this answer:\n\n{quoted}",
        context=lookups.conversation(input.to),
        approvers=Group("support"),
        expires_in=timedelta(hours=8),
        on_reject="resume",
    )


@app.workflow("customer-mail")
async def customer_mail(ctx: Context, input: CustomerMail) -> str | Interrupt:
    """Send a customer what an agent has written; what is refused goes back to the agent."""
    await ctx.step("read the conversation", lookups.conversation, input.to)
    answer = ctx.approval()
    if answer is None:
        return ask_customer_mail(input)
    if not answer.approved:
        return f"not sent, the agent is told why: {answer.comment or 'no reason was given'}"
    return f"sent to {input.to}"


class AccessRequest(BaseModel):
    """Somebody who needs to get in somewhere."""

    employee: str
    system: str
    role: Literal["read", "write", "admin"]
    days: int = Field(ge=1, le=90)


def ask_access_request(input: AccessRequest) -> Interrupt:
    """Bo agrees; after four hours any of the heads may."""
    return Interrupt.approval(
        title=f"Give {input.employee} {input.role} access to {input.system}",
        message=f"For {input.days} days. It ends by itself.",
        context={"has today": lookups.access(input.employee), "would have": {input.system: input.role}},
        approvers=[User("bo"), User("ana")] if input.role != "admin" else [User("bo")],
        escalate=Escalation(timedelta(hours=4), Group("heads")),
        expires_in=timedelta(days=1),
    )


@app.workflow("access-request")
async def access_request(ctx: Context, input: AccessRequest) -> str | Interrupt:
    """Give somebody access for a while."""
    await ctx.step("look up what they have", lookups.access, input.employee)
    if not ctx.approved:
        return ask_access_request(input)
    return f"{input.employee} has {input.role} access to {input.system} for {input.days} days"


class DataExport(BaseModel):
    """Data that leaves the house."""

    dataset: str
    rows: int = Field(ge=1)
    recipient: str


def ask_data_export(input: DataExport) -> Interrupt:
    """Operations first, then legal where it is much."""
    return Interrupt.approval(
        title=f"Export {input.rows:,} rows of {input.dataset} to {input.recipient}",
        message=f"{input.recipient} gets a copy of **{input.dataset}**, encrypted, for 14 days.",
        context=lookups.dataset(input.dataset),
        stages=[
            Stage(Group("ops"), name="operations"),
            Stage(Group("legal"), name="legal", when="input.rows > 10000"),
        ],
        expires_in=timedelta(days=5),
    )


@app.workflow("data-export")
async def data_export(ctx: Context, input: DataExport) -> str | Interrupt:
    """Export data to somebody outside."""
    await ctx.step("classify the data", lookups.dataset, input.dataset)
    if not ctx.approved:
        return ask_data_export(input)
    return f"exported {input.rows:,} rows to {input.recipient}"


@app.workflow("sync-stock", retries=1)
async def sync_stock(ctx: Context, input: None) -> str:
    """Fetch what the warehouse has; its interface has moved, so this fails."""
    return await ctx.step("fetch", lookups.warehouse)
