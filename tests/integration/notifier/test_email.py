"""Mail over real SMTP, in the clear and encrypted."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from kit.smtp import smtp_server
from kit.tls import Authority
from placet_contracts.destinations import Email

Run = Callable[..., AbstractAsyncContextManager[Any]]

ANA = Email("ana@example.com")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_a_mail_arrives_as_text_and_as_html(run: Run) -> None:
    """Both bodies hold the message and the link, and the envelope is the sender's and the recipient's."""
    async with smtp_server() as mailbox, run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}") as running:
        await running.timeline.open_approval(ANA, title="Delete 42?", message="It is <b>old</b>.")
        [mail] = await mailbox.holds(1)

        assert (mail.sender, mail.recipients) == ("placet@example.com", ["ana@example.com"])
        assert mail.message["Subject"] == "Delete 42?"
        assert "It is <b>old</b>." in mail.text
        assert "It is &lt;b&gt;old&lt;/b&gt;." in mail.html


async def test_tls_from_the_first_byte(run: Run, authority: Authority) -> None:
    """A server with a certificate of the authority that we trust gets the mail, encrypted."""
    async with (
        smtp_server(tls=authority.server("127.0.0.1")) as mailbox,
        run(smtp_url=f"smtps://127.0.0.1:{mailbox.port}", smtp_ca=authority.file) as running,
    ):
        await running.timeline.open_approval(ANA)
        [mail] = await mailbox.holds(1)

        assert mail.encrypted


async def test_starttls_and_log_in(run: Run, authority: Authority) -> None:
    """A password goes out after the connection is encrypted."""
    async with (
        smtp_server(starttls=authority.server("127.0.0.1"), login=True) as mailbox,
        run(smtp_url=f"smtp://bot:p%40ss@127.0.0.1:{mailbox.port}", smtp_ca=authority.file) as running,
    ):
        await running.timeline.open_approval(ANA)
        [mail] = await mailbox.holds(1)

        assert mail.encrypted
        assert mail.login == ("bot", "p@ss")


@pytest.mark.parametrize("host", ["127.0.0.1", "mail.elsewhere.example"])
async def test_a_server_that_cannot_prove_who_it_is_gets_nothing(run: Run, tmp_path: Path, host: str) -> None:
    """A certificate of another authority, or for another name, is refused: the mail waits."""
    other = Authority(tmp_path)
    (tmp_path / "ours").mkdir()
    trusted = Authority(tmp_path / "ours") if host == "127.0.0.1" else other
    async with (
        smtp_server(starttls=other.server(host)) as mailbox,
        run(smtp_url=f"smtp://127.0.0.1:{mailbox.port}?starttls=required", smtp_ca=trusted.file) as running,
    ):
        await running.timeline.open_approval(ANA)
        [retrying, *_] = await running.timeline.until("retrying")

        assert "CERTIFICATE_VERIFY_FAILED" in retrying.error
        assert mailbox.mails == []


async def test_a_password_is_not_sent_in_the_clear(run: Run) -> None:
    """Where a server offers no STARTTLS, neither password nor mail leaves."""
    async with (
        smtp_server() as mailbox,
        run(smtp_url=f"smtp://bot:pass@127.0.0.1:{mailbox.port}") as running,
    ):
        await running.timeline.open_approval(ANA)
        [retrying, *_] = await running.timeline.until("retrying")

        assert "STARTTLS" in retrying.error
        assert mailbox.mails == []
