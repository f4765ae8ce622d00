"""From a request to its operation: by the table alone, as a framework's layers cost as much as the operation does."""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from placet_approval.api import problems
from placet_approval.api.endpoints import Endpoint

_PARAMETER = re.compile(r"{(\w+)(:path)?}")


class Api:
    """ASGI: serves the operations of a table; what has another path goes to ``rest``."""

    def __init__(self, endpoints: Sequence[Endpoint], rest: ASGIApp) -> None:
        self._rest = rest
        methods: defaultdict[str, dict[str, Endpoint]] = defaultdict(dict)
        for endpoint in endpoints:
            methods[endpoint.path][endpoint.method] = endpoint
            if endpoint.method == "GET":
                methods[endpoint.path]["HEAD"] = endpoint
        # The longer paths come first: a run's id may contain slashes.
        self._paths = [(_pattern(path), methods[path]) for path in sorted(methods, key=len, reverse=True)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._find(scope)(scope, receive, send)

    def _find(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return self._rest
        allowed: dict[str, Endpoint] = {}
        for pattern, methods in self._paths:
            if (match := pattern.fullmatch(scope["path"])) is not None:
                if (endpoint := methods.get(scope["method"])) is not None:
                    scope["path_params"] = match.groupdict()
                    return partial(_serve, endpoint)
                allowed = allowed or methods
        return problems.wrong_method(sorted(allowed)) if allowed else self._rest


async def _serve(endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    try:
        response = await endpoint.serve(request)
    except ClientDisconnect:
        return
    except Exception as error:
        response = problems.answer(request, error)
    await response(scope, receive, send)


def _pattern(path: str) -> re.Pattern[str]:
    """``{id}`` is one segment, ``{id:path}`` is one or more."""
    return re.compile(_PARAMETER.sub(lambda found: f"(?P<{found[1]}>{'.+' if found[2] else '[^/]+'})", path), re.DOTALL)
