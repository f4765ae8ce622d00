"""Addresses that show something and do something: one route each, so that what they do not take is told with both."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answer = Callable[[Request], Awaitable[Response]]


def both(path: str, get: Answer, post: Answer) -> Route:
    """A route that is answered by ``get`` or, for what a form does, by ``post``."""

    async def answer(request: Request) -> Response:
        return await (post if request.method == "POST" else get)(request)

    return Route(path, answer, methods=["GET", "POST"])
