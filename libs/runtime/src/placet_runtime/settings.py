"""What every service reads from its environment. Each variable begins with ``PLACET_``."""

import os
import sys
from datetime import timedelta
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from placet_contracts import brokers, environment
from placet_runtime import hosts


def _seconds(value: object) -> object:
    """A plain number is seconds, also as text; everything else is ISO 8601 or HH:MM:SS."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _amqp_url(url: SecretStr) -> SecretStr:
    brokers.urls(url.get_secret_value())
    return url


def _database_url(url: SecretStr) -> SecretStr:
    hosts.split(url.get_secret_value())
    return url


def _for_ever(value: object) -> object:
    return None if value == FOR_EVER else _seconds(value)


def _positive(keep: timedelta | None) -> timedelta | None:
    if keep is not None and keep <= timedelta(0):
        raise ValueError(f"a span of time, or {FOR_EVER}")
    return keep


FOR_EVER = "forever"
Duration = Annotated[timedelta, BeforeValidator(_seconds)]
Keep = Annotated[timedelta | None, BeforeValidator(_for_ever), AfterValidator(_positive)]  # None: for ever


class ServiceSettings(BaseSettings):
    """The environment of one service; a service adds its own."""

    model_config = SettingsConfigDict(
        env_prefix="PLACET_", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)]
    amqp_url: Annotated[SecretStr, AfterValidator(_amqp_url)] = SecretStr("amqp://guest:guest@localhost/")
    namespace: str = Field(default="placet", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    database_connections: int = Field(default=8, ge=2, le=200)
    host: str = "0.0.0.0"
    migrate: bool = True  # apply outstanding migrations at start
    retention_quarantine: Keep = timedelta(days=90)
    retention_every: Duration = Field(default=timedelta(minutes=1), gt=timedelta(0))  # between looks for what is due
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"


S = TypeVar("S", bound=ServiceSettings)


def read(kind: type[S], **given: Any) -> S:
    """A service's settings; what is missing, misspelt or does not fit ends the process with a line for each.

    ``given`` goes before the environment.
    """
    mistakes = environment.mistakes(os.environ)
    try:
        settings = kind(**given)
    except ValidationError as error:
        mistakes += [f"{_variable(item['loc'])}: {_message(item)}" for item in error.errors()]
        _refuse(mistakes)
    if mistakes:
        _refuse(mistakes)
    return settings


def _refuse(mistakes: list[str]) -> NoReturn:
    sys.exit("\n".join(f"placet: {mistake}" for mistake in mistakes))


def _message(error: ErrorDetails) -> str:
    return "required, and not set" if error["type"] == "missing" else error["msg"].removeprefix("Value error, ")


def _variable(location: tuple[int | str, ...]) -> str:
    return environment.PREFIX + str(location[0]).upper() if location else "settings"
