"""Variables that begin with PLACET_: those that nothing reads are refused, with what was probably meant."""

import pytest

from placet_approval.settings import Settings as ApprovalSettings
from placet_contracts import environment
from placet_executor.settings import Settings as ExecutorSettings
from placet_notifier.settings import Settings as NotifierSettings
from placet_runtime.settings import read


def test_what_is_known_is_what_the_services_read() -> None:
    """A setting that is added to a service is known, and one that is removed is known no more."""
    fields = (name for kind in (ApprovalSettings, ExecutorSettings, NotifierSettings) for name in kind.model_fields)

    assert {f"PLACET_{name.upper()}" for name in fields} == environment.SERVICES


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("PLACET_LEESE", "did you mean PLACET_LEASE?"),
        ("PLACET_RETENTION_RUN", "did you mean PLACET_RETENTION_RUNS?"),
        ("placet_public_ulr", "did you mean PLACET_PUBLIC_URL?"),
        ("PLACET_HTP_PORT", "did you mean PLACET_HTTP_PORT?"),
        ("PLACET_OF_MY_OWN_APP", "use another one"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_nearest(name: str, says: str) -> None:
    """However its letters are written."""
    [mistake] = environment.mistakes({name: "1", "PATH": "/bin"})

    assert mistake.startswith(f"{name}: no such variable; ")
    assert says in mistake


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLACET_URL", "http://localhost:8700"),
        ("PLACET_API_KEY", "key"),
        ("PLACET_HTTP_PORT", "8700"),
        ("PLACET_TEST_DATABASE_URL", "postgres://x"),
        ("placet_lease", "30"),
        ("PLACETS", "x"),
        ("PLACET_APPROVAL_SERVICE_HOST", "10.0.0.1"),
        ("PLACET_APPROVAL_SERVICE_PORT_HTTP", "8700"),
        ("PLACET_APPROVAL_PORT", "tcp://10.0.0.1:8700"),
        ("PLACET_APPROVAL_PORT_8700_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_what_others_read_or_kubernetes_sets_is_accepted(name: str, value: str) -> None:
    """One env file serves the client, the command line, the tests and the compose stack too."""
    assert environment.mistakes({name: value}) == []


def test_a_service_ends_with_all_that_is_wrong_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is misspelt, and what is missing, with a line for each."""
    monkeypatch.setenv("PLACET_DATABASE_ULR", "postgres://placet@db/placet")
    monkeypatch.delenv("PLACET_DATABASE_URL", raising=False)

    with pytest.raises(SystemExit) as ended:
        read(NotifierSettings)

    assert str(ended.value).splitlines() == [
        "placet: PLACET_DATABASE_ULR: no such variable; did you mean PLACET_DATABASE_URL?",
        "placet: PLACET_DATABASE_URL: required, and not set",
    ]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WEBHOOK_SECRET", "abc", "not whsec_ and the base64 of 24 bytes or more"),
        ("SMTP_URL", "mail.example.com", "not smtp[s]://[user:password@]host[:port][?starttls=required|auto|never]"),
        ("MAIL_FROM", "Placet", "not 'Name <address>'"),
    ],
)
def test_a_channel_that_is_set_wrongly_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """In one line, with the variable and without its value."""
    monkeypatch.setenv(f"PLACET_{name}", value)

    with pytest.raises(SystemExit) as ended:
        read(NotifierSettings, database_url="postgres://placet@db/placet")

    assert str(ended.value) == f"placet: PLACET_{name}: {says}"
