"""Who people are: users, groups, keys, and the strings by which they are known. No I/O.

An *actor* is a string in the history: ``user:<handle>``, ``key:<name>``, or what a start message calls its requester.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from placet_approval.domain import CLOCK, MAY, ApprovalError, Role
from placet_contracts.destinations import EmailAddress

Kind = Literal["user", "email", "slack", "oidc", "alias"]

BOOTSTRAP = "admin"  # the name of the key of the environment

_HANDLE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_SLACK = re.compile(r"[A-Z0-9]{2,30}/[A-Z0-9]{2,30}")
_RESERVED = ("user:", "key:", "email:", "slack:", "oidc:")
_EMAIL = TypeAdapter[str](EmailAddress)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom the deployment knows, with all by which they are known."""

    id: UUID
    handle: str
    name: str
    roles: frozenset[Role]
    emails: frozenset[str]
    slack: frozenset[str]  # <team>/<user>
    aliases: frozenset[str]
    logins: frozenset[str]  # <issuer>#<subject> at a sign-in provider
    groups: frozenset[str]
    disabled: bool
    created_at: datetime

    @property
    def actor(self) -> str:
        return f"user:{self.handle}"


@dataclass(frozen=True, slots=True)
class UserChange:
    """What a user is to be; ``None`` leaves something as it is, or, of a new user, empty."""

    handle: str
    name: str | None = None
    roles: frozenset[Role] | None = None
    emails: frozenset[str] | None = None
    slack: frozenset[str] | None = None
    aliases: frozenset[str] | None = None
    logins: frozenset[str] | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """Strings by which somebody is known, as a `User` has them."""

    emails: frozenset[str] = frozenset()
    slack: frozenset[str] = frozenset()
    aliases: frozenset[str] = frozenset()
    logins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """People who are asked together."""

    name: str
    members: frozenset[str]  # handles


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored, without its secret."""

    id: str
    name: str
    role: Role
    owner: str | None  # handle; none: a program's
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None  # to the minute

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that somebody is signed in with."""

    id: UUID
    handle: str
    method: Literal["link", "oidc"]
    agent: str
    created_at: datetime
    seen_at: datetime  # to the minute
    expires_at: datetime


class IdentityTaken(ApprovalError):
    """Raised when an address, a Slack user or an alias is linked to somebody else."""

    def __init__(self, actor: str) -> None:
        super().__init__(f"{actor} belongs to another user")
        self.actor = actor


class NameTaken(ApprovalError):
    """Raised when a new user or group has a name that is taken."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"there is a {what} {name!r} already")


class LastAdmin(ApprovalError):
    """Raised for a change after which nobody could sign in any more who has the role admin."""

    def __init__(self, handle: str) -> None:
        super().__init__(f"{handle} is the last user with the role admin: give it to somebody else first")
        self.handle = handle


class Unfit(ApprovalError):
    """Raised for a name, an address or a role that cannot be."""


def handle(text: str) -> str:
    """The name of a user or group, as it must be.

    Raises:
        Unfit: it is none.
    """
    if not _HANDLE.fullmatch(text):
        raise Unfit(f"{text!r} is no name: up to 63 of a-z 0-9 . _ -, the first a letter or digit")
    return text


def email(text: str) -> str:
    """An address, as it is compared: in ASCII, and small letters. No other characters fold into these.

    Raises:
        Unfit: it is none.
    """
    try:
        return _EMAIL.validate_python(text.strip()).lower()
    except ValidationError:
        raise Unfit(f"{text!r} is not an e-mail address") from None


def slack(text: str) -> str:
    """A Slack user, ``<team>/<user>``; both are ids, never names.

    Raises:
        Unfit: it is none.
    """
    if not _SLACK.fullmatch(text):
        raise Unfit(f"{text!r} is no Slack user: write the ids of team and user, such as T0123456/U0123456")
    return text


def alias(text: str) -> str:
    """Another string by which somebody is known in the history.

    Raises:
        Unfit: it is empty or too long, or is something else than an alias.
    """
    if not 0 < len(text) <= 200 or not text.isprintable() or text != text.strip():
        raise Unfit("an alias has 1 to 200 printable characters")
    if text == CLOCK or text.startswith(_RESERVED) or canonical(text) != text:
        raise Unfit(f"{text!r} is no alias: it is the name of something else")
    return text


def canonical(actor: str) -> str:
    """An actor, as identities are compared: ``Ana@Example.com`` is ``email:ana@example.com``."""
    address = actor.removeprefix("email:")
    if "@" not in address or (actor == address and actor.startswith(_RESERVED)):
        return actor
    try:
        return f"email:{email(address)}"
    except Unfit:
        return actor


def within(role: Role, roles: Iterable[Role]) -> bool:
    """Whether somebody with these roles may do all that the role is for."""
    held = set(roles)
    return all(held & may for may in MAY.values() if role in may)


def key_roles(role: Role, owner: Iterable[Role] | None) -> frozenset[Role]:
    """What a key may act as: its role, but nothing that its owner may not do; ``None`` is no owner."""
    return frozenset({role}) if owner is None or within(role, owner) else frozenset()


class Forged(ApprovalError):
    """Raised for a request that a browser sent with somebody's cookie, and not from a page of ours."""

    def __init__(self) -> None:
        super().__init__("with a session's cookie, Origin must be this service's, and X-Placet-Token its token")


class TooManyFailures(ApprovalError):
    """Raised instead of looking at a credential, where too many were wrong; ``seconds`` until it is looked at again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many attempts have failed: try again in {seconds} s")
        self.seconds = seconds


class Refused(ApprovalError):
    """Raised for somebody who cannot sign in; says why, and what helps."""
