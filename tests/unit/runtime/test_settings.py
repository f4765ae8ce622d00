"""Addresses of servers, as settings name them: one, or several with commas between them."""

import pytest

from placet_contracts import brokers
from placet_runtime import hosts
from placet_runtime.settings import ServiceSettings, read

POSTGRES = "postgresql://placet@db/placet"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("amqp://a/", ["amqp://a/"]),
        ("amqp://a:1/v, amqps://b/v", ["amqp://a:1/v", "amqps://b/v"]),
        ("amqp://u:p,q@a/v,amqp://u:p,q@b/v", ["amqp://u:p,q@a/v", "amqp://u:p,q@b/v"]),
    ],
)
def test_brokers(text: str, urls: list[str]) -> None:
    """Nodes of a cluster are whole URLs with commas between them; a comma in a password is none of those."""
    assert brokers.urls(text) == urls


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "not an AMQP URL"),
        ("http://a/", "not an AMQP URL"),
        ("amqp://a,b/v", "not an AMQP URL"),
        ("amqp://a/v,b/v", "not an AMQP URL"),
        ("amqp://a/v,", r"no\. 2 of 2 is not an AMQP URL"),
        ("amqp://a/v,ampq://b/v", r"no\. 2 of 2 is not an AMQP URL"),
        ("amqp://a/v,amqp://b/w", "virtual host"),
    ],
)
def test_what_is_no_list_of_brokers_is_refused(text: str, error: str) -> None:
    """The error names the place, and keeps the passwords."""
    with pytest.raises(ValueError, match=error):
        brokers.urls(text)


@pytest.mark.parametrize(
    ("dsn", "each"),
    [
        (POSTGRES, [POSTGRES]),
        ("postgres://u:p@a:1,b/d?x=1", ["postgres://u:p@a:1/d?x=1", "postgres://u:p@b/d?x=1"]),
        ("postgresql:///d?host=/run/postgresql", ["postgresql:///d?host=/run/postgresql"]),
        ("postgresql://a,b/d?target_session_attrs=read-write", None),
    ],
)
def test_hosts(dsn: str, each: list[str] | None) -> None:
    """Hosts of one database have commas between them; that one is wanted that takes writes may be said."""
    found = hosts.split(dsn)

    assert found == each or (each is None and len(found) == 2)


@pytest.mark.parametrize(
    ("dsn", "error"),
    [
        ("mysql://a/d", "not a Postgres URL"),
        ("postgresql://a,/d", "a host is missing"),
        ("postgresql://a,b/d?target_session_attrs=standby", "target_session_attrs can be read-write"),
    ],
)
def test_what_is_no_list_of_hosts_is_refused(dsn: str, error: str) -> None:
    """Also what would lead to a server that takes no writes."""
    with pytest.raises(ValueError, match=error):
        hosts.split(dsn)


def test_a_service_does_not_start_with_such_an_address() -> None:
    """It names the variables, says what is wrong, and repeats no password."""
    with pytest.raises(SystemExit) as ended:
        read(ServiceSettings, database_url="postgresql://u:secret@a,/d", amqp_url="amqp://u:secret@a/v,amqp://b/w")

    said = str(ended.value)
    assert "PLACET_DATABASE_URL: a host is missing" in said
    assert "PLACET_AMQP_URL: the nodes of a cluster share" in said
    assert "secret" not in said
