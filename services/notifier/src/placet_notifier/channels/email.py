"""E-mail over SMTP: plain text and HTML, with a link that only opens the request."""

import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPSenderRefused
from css_inline import CSSInliner
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError

from placet_contracts.destinations import Email
from placet_notifier.channels.clock import within
from placet_notifier.channels.content import compose
from placet_notifier.domain import Delivery, SendFailed, TryLater, Undeliverable

_MESSAGE = 10_000  # characters; clients cut mails of 100 KB
_QUIT_TIMEOUT = 2.0
_SENDER = re.compile(r'"?(?P<name>[^"<>,]*?)"?\s*<(?P<named>[^<>]+)>|(?P<alone>[^<>,]+)')

_templates = Environment(
    loader=PackageLoader("placet_notifier.channels"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_inliner = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server. ``start_tls``: ``None`` takes it where it is offered."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    start_tls: bool | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read ``smtp://user:password@host:port?starttls=required`` or ``smtps://...``.

        ``starttls`` is ``required``, ``auto`` or ``never``; ``auto`` unless there is a password, which must not leave
        in the clear.

        Raises:
            ValueError: it is none. The message does not show it: it may hold a password.
        """
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True)
        starttls = query.pop("starttls", ["required" if parts.password else "auto"])[-1]
        modes = {"required": True, "auto": None, "never": False}
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or query or starttls not in modes:
            raise ValueError("not smtp[s]://[user:password@]host[:port][?starttls=required|auto|never]")
        tls = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls else 587),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            start_tls=False if tls else modes[starttls],
        )


class Mailer:
    """Sends each delivery in its own connection."""

    def __init__(
        self, server: Server, *, sender: Address, tls: ssl.SSLContext, public_url: str, send_timeout: float
    ) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls
        self._public_url = public_url
        self._timeout = send_timeout

    async def send(self, delivery: Delivery) -> None:
        if not isinstance(delivery.destination, Email):
            raise Undeliverable("not an e-mail address")
        message = render(delivery, sender=self._sender, public_url=self._public_url)
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.tls,
            start_tls=server.start_tls,
            tls_context=self._tls,
            timeout=self._timeout,
        )
        try:
            async with within(self._timeout, "the SMTP server"):
                await client.connect()
                await client.send_message(
                    message, sender=self._sender.addr_spec, recipients=[delivery.destination.email]
                )
            with suppress(SMTPException, OSError):  # the server has the message by now, whatever it says to this
                await client.quit(timeout=_QUIT_TIMEOUT)
        except (SMTPException, OSError) as error:
            raise _failure(error) from error
        finally:
            client.close()


def parse_sender(text: str) -> Address:
    """Read ``Name <address>``, or an address alone.

    Raises:
        ValueError: it is neither.
    """
    found = _SENDER.fullmatch(text.strip())
    try:
        if found and text.isprintable():
            return Address(found["name"] or "", addr_spec=Email(found["named"] or found["alone"]).email)
    except ValidationError:
        pass
    raise ValueError("not 'Name <address>'")


def render(delivery: Delivery, *, sender: Address, public_url: str) -> EmailMessage:
    """The mail of a delivery. Repeated tries carry the same Message-ID, so that clients can drop repeats."""
    assert isinstance(delivery.destination, Email)
    content = compose(delivery.notice, public_url, limit=_MESSAGE)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = Address(addr_spec=delivery.destination.email)
    # `EmailMessage` decodes an encoded word that stands in a text, line ends included, and writes them out.
    message["Subject"] = content.title.replace("=?", "= ?")
    message["Date"] = format_datetime(delivery.created_at)
    message["Message-ID"] = f"<{delivery.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_templates.get_template("mail.txt").render(content=content))
    html = _templates.get_template("mail.html").render(content=content)
    message.add_alternative(_inliner.inline(html), subtype="html")
    return message


def _failure(error: SMTPException | OSError) -> SendFailed:
    if isinstance(error, SMTPRecipientsRefused):
        refused = error.recipients[0]
        return _refusal("the SMTP server refused the recipient", refused.code, refused.message)
    if isinstance(error, SMTPSenderRefused | SMTPDataError):
        what = "the sender" if isinstance(error, SMTPSenderRefused) else "the message"
        return _refusal(f"the SMTP server refused {what}", error.code, error.message)
    if isinstance(error, SMTPResponseException):  # greeting, TLS or log-in: of the server, not of this message
        return TryLater(f"the SMTP server answered {error.code}", error.message)
    return TryLater(f"the SMTP server could not be reached ({type(error).__name__})", str(error))


def _refusal(reason: str, code: int, detail: str) -> SendFailed:
    kind = Undeliverable if 500 <= code < 600 else TryLater
    return kind(f"{reason} with {code}", detail)
