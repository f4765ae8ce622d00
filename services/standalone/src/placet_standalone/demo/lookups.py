"""What the demo's systems would say: made up from the question, so that the same one gets the same answer."""

import random
from typing import Any

Facts = dict[str, Any]

_CHANGES = (
    "Charge shipping once for split orders (#{n})",
    "Show the delivery day in the time zone of the customer (#{n})",
    "Retry the payment provider with the same idempotency key (#{n})",
    "Drop the column `legacy_sku`, unused since spring (#{n})",
    "Cache the price list for a minute (#{n})",
    "Fix the total of carts with two vouchers (#{n})",
    "Log in with passkeys (#{n})",
)
_ITEMS = ("Pruning saw", "Spade, ash handle", "Watering can 9 l", "Hedge shears", "Raised bed, larch", "Hand fork")
_SYSTEMS = ("shop database", "CRM", "billing", "data warehouse", "support desk")


def order(number: str, amount: float) -> Facts:
    """An order, and how its customer has been so far."""
    dice = random.Random(number)
    items = dice.sample(_ITEMS, 2)
    return {
        "order": {
            "total": round(amount * dice.choice((1, 1, 1.4, 2.1)), 2),
            "items": [{"article": item, "quantity": dice.randint(1, 3)} for item in items],
            "delivered": dice.random() < 0.8,
        },
        "customer": {
            "orders": dice.randint(1, 40),
            "refunds before": dice.choice((0, 0, 0, 1, 3)),
            "since": dice.randint(2014, 2026),
        },
        "fraud score": round(dice.uniform(0.01, 0.35), 2),
    }


def changes(service: str, version: str) -> list[str]:
    """What a version brings."""
    dice = random.Random(f"{service} {version}")
    return [each.format(n=dice.randint(3100, 3900)) for each in dice.sample(_CHANGES, dice.randint(2, 4))]


def manifest(service: str, version: str) -> Facts:
    """How a version of a service is run."""
    dice = random.Random(version)
    return {
        "image": f"registry.alder.example/{service}:{version}",
        "replicas": 4,
        "memory": f"{dice.choice((512, 768))} MiB",
    }


def belongings(user_id: str) -> Facts:
    """What belongs to an account."""
    dice = random.Random(user_id)
    return {
        "orders": dice.randint(1, 60),
        "addresses": dice.randint(1, 4),
        "newsletter": dice.random() < 0.5,
        "open claims": [],
        "last seen": f"2026-{dice.randint(1, 10):02}-{dice.randint(1, 28):02}",
    }


def vendor(name: str, amount: float) -> Facts:
    """A vendor, and the order that an invoice belongs to."""
    dice = random.Random(name)
    return {
        "purchase order": {"number": f"PO-{dice.randint(2000, 2999)}", "amount": amount, "matches": True},
        "vendor": {
            "known since": dice.randint(2012, 2024),
            "bank details changed": dice.choice(("never", "3 years ago")),
        },
        "cost centre": dice.choice(("logistics", "marketing", "IT", "facilities")),
    }


def conversation(customer: str) -> Facts:
    """What was said so far."""
    dice = random.Random(customer)
    return {
        "customer": {"orders": dice.randint(1, 12), "mood": dice.choice(("calm", "annoyed", "grateful"))},
        "messages": dice.randint(2, 6),
        "agent": {
            "confidence": round(dice.uniform(0.7, 0.97), 2),
            "sources": ["returns policy", f"order {dice.randint(40000, 49999)}"],
        },
    }


def access(employee: str) -> Facts:
    """What somebody may do so far."""
    dice = random.Random(employee)
    return dict.fromkeys(dice.sample(_SYSTEMS, 2), "read")


def dataset(name: str) -> Facts:
    """What is in a dataset."""
    dice = random.Random(name)
    return {
        "contains": {"names": True, "addresses": dice.random() < 0.5, "payment data": False},
        "contract": {"signed": True, "ends": f"2027-{dice.randint(1, 12):02}-01"},
        "last export": f"2026-{dice.randint(1, 9):02}-15",
    }


def warehouse() -> str:
    """The warehouse's stock.

    Raises:
        ConnectionError: its interface has moved.
    """
    raise ConnectionError("wms.alder.example:8443 does not answer: was the interface moved?")
