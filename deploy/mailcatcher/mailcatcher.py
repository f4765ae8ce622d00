"""Takes every mail and delivers none: SMTP on 1025, what came on http://...:8025, and as JSON at ``/messages``.

For trying things out. It keeps the latest mails in memory, and asks nobody who they are.
"""

import json
import re
import signal
import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

_KEPT = 500

_LIST = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="5">
<title>Mail</title>
<style>
  body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1.25rem;
         color: light-dark(#1c2024, #edeef0); background: light-dark(#fcfcfd, #111113) }}
  h1 {{ font-size: 1.375rem }}
  table {{ border-collapse: collapse; width: 100% }}
  th, td {{ text-align: left; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid light-dark(#e0e1e6, #2e3135) }}
  th, p {{ color: light-dark(#60646c, #b0b4ba); font-weight: 500 }}
  a {{ color: light-dark(#0d74ce, #70b8ff) }}
</style>
<h1>Mail that was caught</h1>
{mails}
"""

_ROW = """<tr><td>{received}<td>{to}<td>{subject}
<td><a href="/messages/{id}/html">HTML</a> <a href="/messages/{id}/text">text</a>
<a href="/messages/{id}/source">source</a>"""


class Mails:
    """The latest mails, the newest first."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._kept: deque[tuple[dict[str, Any], bytes]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def add(self, envelope: Envelope) -> None:
        source = envelope.original_content or b""
        message = message_from_bytes(source, policy=policy.default)
        facts = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": str(message["subject"] or ""),
            "received": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": _part(message, "plain"),
            "html": _part(message, "html"),
        }
        with self._lock:
            self._kept.appendleft(({"id": next(self._ids), **facts}, source))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._lock:
            return iter([facts for facts, _ in self._kept])

    def find(self, id: int) -> tuple[dict[str, Any], bytes] | None:
        with self._lock:
            return next((mail for mail in self._kept if mail[0]["id"] == id), None)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


class Take:
    """The handler of the SMTP server."""

    def __init__(self, mails: Mails) -> None:
        self._mails = mails

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self._mails.add(envelope)
        return "250 OK"


class Pages(BaseHTTPRequestHandler):
    """The list, its JSON, and each mail."""

    protocol_version = "HTTP/1.1"
    mails: Mails

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer("text/html", _LIST.format(mails=_rows(list(self.mails))))
        elif path == "/messages":
            self._answer("application/json", json.dumps(list(self.mails)))
        elif (wanted := re.fullmatch(r"/messages/(\d+)(?:/(html|text|source))?", path)) is not None:
            self._one(int(wanted[1]), wanted[2])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_DELETE(self) -> None:
        if self.path != "/messages":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.mails.clear()
        self._answer("application/json", "[]")

    def _one(self, id: int, form: str | None) -> None:
        found = self.mails.find(id)
        if found is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        facts, source = found
        if form is None:
            self._answer("application/json", json.dumps(facts))
        elif form == "source":
            self._answer("text/plain", source.decode("utf-8", "replace"))
        else:
            self._answer("text/html" if form == "html" else "text/plain", facts[form] or "")

    def _answer(self, media_type: str, text: str) -> None:
        body = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{media_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        # A mail is somebody else's HTML: it runs no script here, and loads nothing.
        self.send_header(
            "Content-Security-Policy",
            "sandbox allow-popups allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: a health check asks every few seconds."""


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return None if part is None else str(part.get_content())


def _rows(mails: list[dict[str, Any]]) -> str:
    if not mails:
        return "<p>None yet."
    head = "<tr><th>Received<th>To<th>Subject<th>"
    rows = [
        _ROW.format(
            id=mail["id"],
            received=escape(mail["received"]),
            to=escape(", ".join(mail["to"])),
            subject=escape(mail["subject"]),
        )
        for mail in mails
    ]
    return f"<table>{head}{''.join(rows)}</table>"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    mails = Mails()
    smtp = Controller(Take(mails), hostname="0.0.0.0", port=1025, enable_SMTPUTF8=True)
    pages = ThreadingHTTPServer(("0.0.0.0", 8025), type("MailPages", (Pages,), {"mails": mails}))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    smtp.start()
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    print("mailcatcher: SMTP on 1025, HTTP on 8025", flush=True)
    stopping.wait()
    pages.shutdown()
    smtp.stop()


if __name__ == "__main__":
    main()
