"""A real SMTP server that can be made to refuse, to stall, and to drop the connection after it has taken a mail."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DROP = "drop"  # take the mail, and break the connection instead of answering
STALL = "stall"  # take the mail, and answer when `Mailbox.resume` is set


@dataclass(frozen=True)
class Mail:
    """A mail as it came in."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool
    login: tuple[str, str] | None

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    def _body(self, kind: Literal["plain", "html"]) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


@dataclass
class Mailbox:
    """What a server has taken, and what it is to answer: ``250`` unless told otherwise."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # answers to RCPT, by address
    answers: deque[str] = field(default_factory=deque)  # to the next mails
    resume: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def holds(self, count: int) -> list[Mail]:
        """Wait until so many mails have come."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    # What aiosmtpd calls.

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (answer := self.refused.get(address)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        login = cast("LoginPassword | None", session.auth_data)
        content = envelope.content
        assert isinstance(content, bytes)
        mail = Mail(
            sender=envelope.mail_from or "",
            recipients=list(envelope.rcpt_tos),
            message=message_from_bytes(content, EmailMessage, policy=POLICY),
            encrypted=_transport(server).get_extra_info("ssl_object") is not None,
            login=(login.login.decode(), login.password.decode()) if login else None,
        )
        answer = self.answers.popleft() if self.answers else "250 OK"
        async with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()
        if answer == DROP:
            _transport(server).abort()
        if answer == STALL:
            await self.resume.wait()
        return answer if answer[0].isdigit() else "250 OK"


@asynccontextmanager
async def smtp_server(
    *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, login: bool = False
) -> AsyncIterator[Mailbox]:
    """A server on a free port of 127.0.0.1: plain, or with TLS from the first byte, or with STARTTLS.

    ``login``: only who logs in may send; goes with ``starttls``.
    """
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    connections: list[SMTP] = []

    def protocol() -> SMTP:
        connection = SMTP(
            mailbox,
            hostname="mail.test",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=_anybody if login else None,
            auth_required=login,
            loop=loop,
        )
        connections.append(connection)
        return connection

    server = await loop.create_server(cast("Callable[[], Any]", protocol), "127.0.0.1", 0, ssl=tls)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        mailbox.resume.set()
        server.close()
        for connection in connections:
            if connection.transport is not None:
                _transport(connection).abort()
        await server.wait_closed()


def _transport(connection: SMTP) -> asyncio.Transport:
    return cast("asyncio.Transport", connection.transport)


def _anybody(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
    return AuthResult(success=True, auth_data=data)
