"""What waits in the demo: real runs, started as anybody would start them, some of them decided on by half."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from pydantic import BaseModel

from placet_approval.api.services import Services
from placet_approval.domain import Decision, Start, Verdict
from placet_runtime import quarantine
from placet_runtime.quarantine import Refused
from placet_standalone.demo import store
from placet_standalone.demo.company import (
    AccessRequest,
    CustomerMail,
    DataExport,
    DeleteUser,
    Deploy,
    Refund,
    VendorPayment,
)

_PAUSES_WITHIN = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that is to wait: who asked for it, how long ago, and who has voted on it since."""

    run_id: str
    workflow: str
    input: BaseModel | None
    by: str
    age: timedelta
    votes: Sequence[tuple[str, Verdict, str | None]] = ()


def _refund(order: str, customer: str, amount: float, reason: str, by: str, **age: float) -> Waiting:
    input = Refund(order=order, customer=customer, amount=amount, reason=reason)
    return Waiting(f"refund-{order}", "refund", input, by, timedelta(**age))


def _deploy(service: str, version: str, replaces: str, by: str, **age: float) -> Waiting:
    input = Deploy(service=service, version=version, replaces=replaces)
    return Waiting(f"deploy-{service}-{version}", "deploy", input, by, timedelta(**age))


def _delete(user_id: str, by: str, **age: float) -> Waiting:
    return Waiting(f"delete-{user_id}", "delete-user", DeleteUser(user_id=user_id), by, timedelta(**age))


def _pay(vendor: str, invoice: str, amount: float, by: str, *votes: tuple[str, str | None], **age: float) -> Waiting:
    input = VendorPayment(vendor=vendor, invoice=invoice, amount=amount, iban="DE02 1203 0000 0000 2020 51")
    cast: list[tuple[str, Verdict, str | None]] = [(who, "approve", comment) for who, comment in votes]
    return Waiting(f"pay-{invoice.lower()}", "vendor-payment", input, by, timedelta(**age), cast)


def _mail(to: str, subject: str, body: str, **age: float) -> Waiting:
    input = CustomerMail(to=to, subject=subject, body=body)
    return Waiting(f"mail-{to.partition('@')[0]}", "customer-mail", input, "agent:helpdesk", timedelta(**age))


def _access(employee: str, system: str, role: str, days: int, by: str, **age: float) -> Waiting:
    input = AccessRequest.model_validate({"employee": employee, "system": system, "role": role, "days": days})
    name = f"access-{employee.split(maxsplit=1)[0].lower()}-{system.replace(' ', '-')}"
    return Waiting(name, "access-request", input, by, timedelta(**age))


def _export(dataset: str, rows: int, recipient: str, by: str, *votes: str, **age: float) -> Waiting:
    input = DataExport(dataset=dataset, rows=rows, recipient=recipient)
    cast: list[tuple[str, Verdict, str | None]] = [(who, "approve", None) for who in votes]
    return Waiting(f"export-{dataset.replace(' ', '-')}", "data-export", input, by, timedelta(**age), cast)


BILLING, RELEASE = "agent:billing", "agent:release"

WAITING = (
    _refund("48213", "Jonas Weber", 312.4, "The raised bed came with a cracked board, twice.", BILLING, minutes=4),
    _refund("48190", "Marta Sousa", 189.0, "Ordered the wrong size and sent it back unused.", BILLING, minutes=26),
    _refund("47981", "Kaya Aydin", 640.0, "The parcel is lost; the carrier has confirmed it.", "user:eli", hours=3),
    _refund(
        "47822", "Petra Nagy", 1280.0, "School garden: the whole order was delivered in March.", "user:eli", hours=7
    ),
    _refund("47790", "Ola Berg", 129.9, "The shears were blunt.", BILLING, hours=11),
    _refund("47655", "Rosa Conti", 158.5, "Charged twice, as the card terminal had lost its line.", BILLING, hours=20),
    _refund("47401", "Sam Price", 512.0, "Frost damage; the guarantee covers it.", "user:eli", hours=31),
    _refund("47390", "Lea Fischer", 204.0, "Cancelled before it was sent.", BILLING, hours=44),
    _deploy("checkout", "2.31.0", "2.30.4", RELEASE, hours=1, minutes=48),
    _deploy("search", "5.2.1", "5.2.0", RELEASE, minutes=35),
    _deploy("stock", "1.19.0", "1.18.2", "user:chen", minutes=12),
    _deploy("accounts", "4.0.0", "3.9.7", RELEASE, minutes=2),
    _delete("ada.lindgren", "user:eli", minutes=50),
    _delete("tomas.ruiz", "user:eli", hours=26),
    _delete("mina.haddad", "user:eli", days=3),
    _delete("otto.kraus", "user:eli", days=6, hours=21),
    _pay("Nordic Timber", "NT-2291", 18400.0, "user:eli", ("chen", "Matches the order."), hours=5),
    _pay("Kopp Logistics", "KL-0817", 6320.5, BILLING, ("dara", None), hours=22),
    _pay("Studio Vale", "SV-114", 2950.0, "user:fay", hours=9),
    _pay("Brightside Hosting", "BH-7741", 1199.0, BILLING, days=1, hours=2),
    _pay("Hagen Seeds", "HS-3008", 740.25, BILLING, ("chen", None), days=2, hours=18),
    _mail(
        "i.petrov@example.com",
        "Your watering can",
        "Hello Ivan,\n\nthe seal is a known weakness of that year. A new one is on its way, for free.\n\nKind regards",
        minutes=8,
    ),
    _mail(
        "noor@example.com",
        "Where is my parcel?",
        "Hello Noor,\n\nit is at the pick-up point in Kerkstraat since yesterday, and waits there until Friday.",
        hours=1,
    ),
    _mail(
        "w.hughes@example.com",
        "A discount for next time",
        "Dear Mr Hughes,\n\nas a small apology we offer you **15 %** on your next order.",
        hours=4,
    ),
    _access("Ines Duarte", "data warehouse", "read", 30, "user:ines", hours=2),
    _access("Lukas Brandt", "billing", "write", 14, "user:fay", hours=5),
    _access("Yuki Tanaka", "shop database", "admin", 2, "user:chen", hours=4, minutes=30),
    _export("newsletter readers", 41200, "Mailwright GmbH", "user:fay", "bo", hours=30),
    _export("orders of 2025", 128400, "Audit & Partner", "user:chen", hours=6),
    _export("product reviews", 3100, "Green Thumb Magazine", "user:fay", days=2),
)
OTHERS = (  # that ask nobody: two end at once, one fails, and one waits for somebody to serve it
    Waiting(
        "refund-48220",
        "refund",
        Refund(order="48220", customer="Finn Olsen", amount=35, reason="The parcel came a week late."),
        BILLING,
        timedelta(minutes=40),
    ),
    Waiting(
        "deploy-search-5.3.0-rc1",
        "deploy",
        Deploy(service="search", version="5.3.0-rc1", replaces="5.2.1", environment="staging"),
        RELEASE,
        timedelta(minutes=33),
    ),
    Waiting("sync-stock-morning", "sync-stock", None, "key:release-pipeline", timedelta(hours=2)),
    Waiting("newsletter-december", "newsletter", None, "user:fay", timedelta(minutes=55)),
)


UNREADABLE = Refused(  # what the carrier's mail gateway once sent in a version that nobody here knows
    "delivery.changed.v1",
    "data.status: Input should be 'pending', 'retrying', 'sent' or 'failed'",
    b'{"specversion": "1.0", "id": "d-7719", "source": "mail-gateway", "type": "delivery.changed.v1", '
    b'"data": {"deliveryId": "01a20f9e-5c1b-7d7e-9a55-0d9ae14d0a41", "channel": "email", "status": "bounced"}}',
)


async def fill(services: Services) -> None:
    """Start all of it, wait until it waits, and let it have waited for a while. A repeat starts nothing twice."""
    await asyncio.gather(*(services.start.submit(_start(each)) for each in (*WAITING, *OTHERS)))
    asked = list(zip(WAITING, await asyncio.gather(*(_asked(services, each) for each in WAITING)), strict=True))
    for each, approval_id in asked:
        for handle, verdict, comment in each.votes:
            await services.decide.submit(Decision(approval_id, verdict, f"user:{handle}", "inbox", comment))
    async with services.deps.pool.acquire() as conn, conn.transaction():
        await store.age_approvals(conn, [(id, each.age) for each, id in asked])
        await store.age_runs(conn, [(each.run_id, each.age) for each in (*WAITING, *OTHERS)])
        await store.tell(conn, [(id, f"{handle}@alder.example") for _, id in asked for handle in ("ana", "dara")])
    await quarantine.add(services.deps.pool, "approval", [UNREADABLE])
    services.deps.changed(id for _, id in asked)


def _start(each: Waiting) -> Start:
    input = "null" if each.input is None else each.input.model_dump_json()
    return Start(each.run_id, each.workflow, None, input, started_by=each.by, idempotency_key=None)


async def _asked(services: Services, each: Waiting) -> UUID:
    """The approval that a run waits for, once it does."""
    run = await services.waits.until(
        each.run_id, _PAUSES_WITHIN, lambda: services.run.submit(each.run_id), lambda run: bool(run.approvals)
    )
    return run.approvals[-1].id
