"""People whom a deployment knows, and what they call themselves by."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from kit.product import Product
from placet_approval.domain import Role
from placet_approval.policy.people import Person


async def know(placet: Product, handle: str, *groups: str, role: Role = "approver", aliases: int = 1) -> list[str]:
    """Make somebody known, with so many API keys of theirs; the keys."""
    name = f"{handle}-{uuid4().hex[:6]}"
    mail = f"{handle}@example.com"
    person = Person(
        uuid4(), handle, handle.title(), frozenset({mail}), frozenset(groups), frozenset({role}), disabled=False
    )
    actors = {f"user:{handle}", f"email:{mail}", *(f"key:{name}-{n}" for n in range(aliases))}
    placet.running.people.update(dict.fromkeys(actors, person))
    return [await placet.key(role, f"{name}-{n}") for n in range(aliases)]


@asynccontextmanager
async def somebody(placet: Product, handle: str, *groups: str, role: Role = "approver") -> AsyncIterator[Product]:
    """The deployment as somebody who is known sees it."""
    [key] = await know(placet, handle, *groups, role=role)
    async with placet.running.http(key) as http:
        yield Product(placet.running, http)
