"""Who acts on approvals, as far as policies look at them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID


class Person(Protocol):
    """Somebody whom the deployment knows."""

    @property
    def id(self) -> UUID: ...
    @property
    def handle(self) -> str: ...
    @property
    def emails(self) -> frozenset[str]: ...
    @property
    def groups(self) -> frozenset[str]: ...
    @property
    def roles(self) -> frozenset[str]: ...
    @property
    def disabled(self) -> bool: ...


DECIDING: frozenset[Literal["admin", "approver"]] = frozenset({"admin", "approver"})  # roles


@dataclass(frozen=True, slots=True)
class Decider:
    """Who wants to decide: an actor with the roles that it acts with, and the person behind it, if one is known.

    ``bootstrap``: the admin key of the environment, which stands for nobody. ``away``: people who are absent just now,
    and have this person stand in for them.
    """

    actor: str
    roles: frozenset[str]
    person: Person | None = None
    bootstrap: bool = False
    away: Sequence[Person] = field(default=())

    @property
    def subject(self) -> str:
        """What they count as: the same for one person by whatever way they come."""
        return self.actor if self.person is None else subject(self.person)


def may_decide(person: Person) -> bool:
    """Whether somebody may decide on anything at all."""
    return not person.disabled and bool(person.roles & DECIDING)


def subject(person: Person) -> str:
    return str(person.id)
