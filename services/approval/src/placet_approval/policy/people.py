"""Who acts on approvals, as far as policies look at them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the deployment knows."""

    id: UUID
    handle: str
    name: str
    emails: frozenset[str]
    groups: frozenset[str]
    roles: frozenset[str]
    disabled: bool


DECIDING = frozenset({"admin", "approver"})  # roles


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


def subject(person: Person) -> str:
    return str(person.id)
