"""What the company was asked in the past, made up with dice."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from placet import Interrupt
from placet_standalone.demo import company
from placet_standalone.demo.company import (
    AccessRequest,
    CustomerMail,
    DataExport,
    DeleteUser,
    Deploy,
    Refund,
    VendorPayment,
)

_FIRST = ("Lena", "Marco", "Aisha", "Piotr", "Sofia", "Emil", "Hana", "Joao", "Freya", "Tariq", "Nina", "Oskar")
_LAST = ("Keller", "Rossi", "Khan", "Nowak", "Lund", "Costa", "Moreau", "Visser", "Horvat", "Silva", "Jansen", "Ozturk")
_REASONS = ("Broken on arrival.", "Sent back unused.", "Came after the birthday.", "Charged twice.", "Wrong colour.")
_SERVICES = ("checkout", "search", "stock", "accounts", "prices")
_VENDORS = ("Nordic Timber", "Kopp Logistics", "Studio Vale", "Brightside Hosting", "Hagen Seeds", "Box & Tape")
_SYSTEMS = ("shop database", "billing", "data warehouse", "support desk")
_SUBJECTS = ("Your order", "About your return", "The guarantee of your saw", "A late parcel", "Your invoice")


@dataclass(frozen=True, slots=True)
class Kind:
    """A workflow, as often as it is used: what its inputs look like, who starts it, how long people take."""

    workflow: str
    version: int
    weight: int
    roll: Callable[[random.Random], BaseModel]
    ask: Callable[[Any], Interrupt]
    by: Sequence[str]
    takes: timedelta  # half of the decisions are quicker
    step: str  # before it asks
    gives: str
    resumes: bool = False  # where it is refused


def _name(dice: random.Random) -> str:
    return f"{dice.choice(_FIRST)} {dice.choice(_LAST)}"


def _address(dice: random.Random) -> str:
    return f"{_name(dice).lower().replace(' ', '.')}@example.com"


def _refund(dice: random.Random) -> BaseModel:
    amount = round(dice.choice((120, 150, 190, 260, 340, 620, 1400)) * dice.uniform(0.9, 1.2), 2)
    order = str(dice.randint(40000, 47300))
    return Refund(order=order, customer=_name(dice), amount=amount, reason=dice.choice(_REASONS))


def _deploy(dice: random.Random) -> BaseModel:
    major, minor = dice.randint(1, 5), dice.randint(2, 30)
    return Deploy(service=dice.choice(_SERVICES), version=f"{major}.{minor}.0", replaces=f"{major}.{minor - 1}.3")


def _delete(dice: random.Random) -> BaseModel:
    return DeleteUser(user_id=_name(dice).lower().replace(" ", "."))


def _pay(dice: random.Random) -> BaseModel:
    vendor = dice.choice(_VENDORS)
    invoice = f"{vendor[0]}{vendor.split()[-1][0]}-{dice.randint(100, 9999)}"
    amount = round(dice.choice((400, 900, 2100, 5200, 14000)) * dice.uniform(0.8, 1.3), 2)
    return VendorPayment(vendor=vendor, invoice=invoice, amount=amount, iban="DE02 1203 0000 0000 2020 51")


def _mail(dice: random.Random) -> BaseModel:
    body = "Hello,\n\nthank you for writing to us. We have looked into it, and put it right.\n\nKind regards"
    return CustomerMail(to=_address(dice), subject=dice.choice(_SUBJECTS), body=body)


def _access(dice: random.Random) -> BaseModel:
    role = dice.choice(("read", "read", "write", "admin"))
    return AccessRequest.model_validate(
        {"employee": _name(dice), "system": dice.choice(_SYSTEMS), "role": role, "days": dice.choice((7, 14, 30))}
    )


def _export(dice: random.Random) -> BaseModel:
    dataset = dice.choice(("product reviews", "orders of the month", "newsletter readers"))
    rows = dice.choice((900, 4200, 36000))
    return DataExport(dataset=dataset, rows=rows, recipient=dice.choice(("Audit & Partner", "Mailwright GmbH")))


KINDS = (
    Kind(
        "refund",
        version=2,
        weight=8,
        roll=_refund,
        ask=company.ask_refund,
        by=("agent:billing", "user:eli"),
        takes=timedelta(minutes=50),
        step="look up the order",
        gives="paid back",
    ),
    Kind(
        "deploy",
        version=3,
        weight=5,
        roll=_deploy,
        ask=company.ask_deploy,
        by=("agent:release", "user:chen"),
        takes=timedelta(minutes=9),
        step="read the changes",
        gives="is live",
    ),
    Kind(
        "delete-user",
        version=1,
        weight=2,
        roll=_delete,
        ask=company.ask_delete_user,
        by=("user:eli",),
        takes=timedelta(hours=9),
        step="count what goes with it",
        gives="deleted",
    ),
    Kind(
        "vendor-payment",
        version=1,
        weight=4,
        roll=_pay,
        ask=company.ask_vendor_payment,
        by=("agent:billing", "user:fay"),
        takes=timedelta(hours=6),
        step="match the purchase order",
        gives="transferred",
    ),
    Kind(
        "customer-mail",
        version=1,
        weight=6,
        roll=_mail,
        ask=company.ask_customer_mail,
        by=("agent:helpdesk",),
        takes=timedelta(minutes=22),
        step="read the conversation",
        gives="sent",
        resumes=True,
    ),
    Kind(
        "access-request",
        version=1,
        weight=2,
        roll=_access,
        ask=company.ask_access_request,
        by=("user:fay",),
        takes=timedelta(hours=2),
        step="look up what they have",
        gives="granted",
    ),
    Kind(
        "data-export",
        version=1,
        weight=1,
        roll=_export,
        ask=company.ask_data_export,
        by=("user:fay",),
        takes=timedelta(hours=12),
        step="classify the data",
        gives="exported",
    ),
)
REFUSALS: Mapping[str, Sequence[str]] = {
    "refund": ("The guarantee ended last year.", "Paid back already, see order history.", "Ask for photos first."),
    "deploy": ("Not on a Friday afternoon.", "The load test is missing.", "Wait for the fix of the cart."),
    "customer-mail": ("Too cold. Say sorry first.", "The discount is 10 %, not 15 %.", "Wrong customer."),
}
REFUSED = ("Not like this, please.", "Talk to me first.", "I cannot tell what this is for.")
AGREED = (None, None, None, "Fine.", "Looked it up: correct.", "Thanks for the details.", "As agreed on the phone.")


def roll(dice: random.Random) -> tuple[Kind, BaseModel]:
    """Something that somebody asked for."""
    [kind] = dice.choices(KINDS, [kind.weight for kind in KINDS])
    return kind, kind.roll(dice)
