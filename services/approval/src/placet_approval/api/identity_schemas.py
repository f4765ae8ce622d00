"""What goes over the wire about users, groups, keys and sessions."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from placet_approval.api.schemas import Request, Text, View
from placet_approval.domain import Role
from placet_contracts.base import Model

Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


def _sorted(values: Iterable[str]) -> list[str]:
    return sorted(values)


Sorted = Annotated[list[str], BeforeValidator(_sorted)]


class CreateUser(Request):
    """A user to make."""

    handle: Name
    name: Name | None = None
    roles: list[Role] = Field(default=[])
    emails: list[Text] = Field(default=[])
    slack: list[Text] = Field(default=[])  # <team>/<user>, both as ids
    aliases: list[Text] = Field(default=[])


class ChangeUser(Request):
    """What is to change of a user; a list is the whole list, and what is left out stays."""

    name: Name | None = None
    roles: list[Role] | None = None
    emails: list[Text] | None = None
    slack: list[Text] | None = None
    aliases: list[Text] | None = None
    disabled: bool | None = None


class UsersQuery(Request):
    """``cursor``: as the page before gave it."""

    cursor: Name = ""
    limit: int = Field(default=50, ge=1, le=200)


class UserView(View):
    """A user, and all by which they are known."""

    handle: str
    name: str
    roles: Sorted
    emails: Sorted
    slack: Sorted
    aliases: Sorted
    logins: Sorted
    groups: Sorted
    disabled: bool
    created_at: datetime


class UserPage(Model):
    """Some users, by handle; ``nextCursor`` leads to the next page, and is null on the last."""

    items: list[UserView]
    next_cursor: str | None


class CreateGroup(Request):
    """A group to make; members are handles of users."""

    name: Name
    members: list[Name] = Field(default=[])


class ChangeGroup(Request):
    """Who is to be in a group: the whole list."""

    members: list[Name]


class GroupView(View):
    """A group, and the handles of its members."""

    name: str
    members: Sorted


class GroupList(Model):
    """All groups, by name."""

    items: list[GroupView]


class CreateKey(Request):
    """A key to make; without ``expiresIn`` (seconds) it is valid until it is revoked."""

    name: Name
    role: Role
    owner: Name | None = None
    expires_in: float | None = Field(default=None, gt=0, le=3_200_000_000, allow_inf_nan=False)


class KeyView(Model):
    """A key, without its secret; ``lastUsedAt`` is to the minute."""

    id: str
    name: str
    role: Role
    owner: str | None
    state: Literal["valid", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKey(Model):
    """A new key: the only time that it is seen."""

    name: str
    role: Role
    key: str


class KeyList(Model):
    """All keys, the oldest first."""

    items: list[KeyView]


class SessionView(View):
    """A browser that somebody is signed in with; ``seenAt`` is to the minute."""

    id: UUID
    method: Literal["link", "oidc"]
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class SessionList(Model):
    """Sessions, the newest first."""

    items: list[SessionView]


class SessionsEnded(Model):
    """How many sessions have ended."""

    ended: int


class Me(Model):
    """Who calls; ``token`` is what a page of this session's sends as X-Placet-Token with what it changes."""

    actor: str
    roles: Sorted
    user: UserView | None
    session: UUID | None
    token: str | None
