"""Headers of whatever a browser may be shown, files and what is not there included."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from placet_approval.inbox.rendering import HEADERS

_ALL = {name: HEADERS[name] for name in ("Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options")}


def guarded(app: ASGIApp) -> ASGIApp:
    """The app, whose answers can neither be framed nor taken for something else, where they say nothing about it."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def guarding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALL.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, guarding)

    return answer
