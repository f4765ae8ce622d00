"""The REST API from Python."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
from pydantic_core import to_json

from placet.errors import Conflict, Invalid, NotFound, PlacetError, Unauthorized, Unavailable, Unreachable
from placet.views import ApprovalStatus, ApprovalView, Run, WorkflowView
from placet_contracts.base import Model
from placet_contracts.events import RunStatus

M = TypeVar("M", bound=Model)

_ERRORS = {401: Unauthorized, 403: Unauthorized, 404: NotFound, 409: Conflict, 410: Conflict, 422: Invalid}
_LONGEST_WAIT = 30.0  # seconds, of one request
_TIMEOUT = httpx2.Timeout(10.0, read=_LONGEST_WAIT + 15.0)
_TRIES = 5
_BACKOFF = 0.2  # seconds, before the second try; doubles with each
_BUSY = (429, 503)
_SPREAD = 0.5  # of what the API asks to wait, so that not all who were refused come back at once


class PlacetClient:
    """Starts runs, reads them, decides: ``async with PlacetClient() as placet: ...``.

    ``url`` and ``key`` come from ``PLACET_URL`` and ``PLACET_API_KEY`` where they are not given. Every request is
    made so that a repeat is harmless, and is repeated a few times where the API does not answer. Where it is too busy
    and says when to come again, calls come again then, a little spread, for ``patience`` seconds.

    Raises:
        PlacetError: from every call, a subclass by status: the API refuses.
        Unavailable: from every call: it is too busy still.
        Unreachable: from every call: the API does not answer.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        patience: float = 30.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._patience = patience
        key = key or os.environ.get("PLACET_API_KEY")
        self._http = httpx2.AsyncClient(
            base_url=url or os.environ.get("PLACET_URL") or "http://localhost:8700",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=_TIMEOUT,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    async def start(
        self,
        workflow: str,
        input: object = None,
        *,
        version: int | None = None,
        run_id: str | None = None,
        idempotency_key: str | None = None,
        wait: float = 0,
        until: Literal["ended", "paused"] = "ended",
    ) -> Run:
        """Start a run; it is durable when this returns. Without a version, it takes the highest registered one.

        With ``wait``, up to 30 seconds, it has perhaps ended, or with ``until="paused"`` waits for a decision: it is
        as it stands by then; see `wait` for longer.

        ``input`` is a model, a dataclass or plain JSON. The same ``run_id`` or ``idempotency_key`` again gives the run
        that is there already, or a `Conflict` or `Invalid` where it asks for something else.
        """
        body = {"workflow": workflow, "version": version, "runId": run_id, "input": input}
        query = {"wait": f"{min(wait, _LONGEST_WAIT):.3f}", "until": until} if wait > 0 else None
        answer = await self._send("POST", "/v1/runs", query, body=body, idempotency_key=idempotency_key or uuid4().hex)
        return Run.model_validate(answer)

    async def get(self, run_id: str) -> Run:
        """A run as it stands."""
        return Run.model_validate(await self._send("GET", _path("runs", run_id)))

    async def wait(
        self,
        run_id: str,
        timeout: float | None = None,  # noqa: ASYNC109
        until: Literal["ended", "paused"] = "ended",
    ) -> Run:
        """Wait until a run has ended; with ``until="paused"``, until it waits for a decision or has ended.

        ``timeout`` is in seconds; ``None`` waits for ever.

        Raises:
            TimeoutError: it took longer.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            seconds = _LONGEST_WAIT if deadline is None else max(0.0, min(_LONGEST_WAIT, deadline - monotonic()))
            query = {"wait": f"{seconds:.3f}", "until": until}
            asked = monotonic()
            run = Run.model_validate(await self._send("GET", _path("runs", run_id), query))
            if run.ended or (until == "paused" and run.waiting):
                return run
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError(f"run {run_id} is still {run.status} after {timeout:g} s")
            if monotonic() - asked < min(seconds, _BACKOFF):  # answered at once: the API is about to stop
                await asyncio.sleep(_BACKOFF)

    async def cancel(self, run_id: str) -> Run:
        """Cancel a run and what it asks for. `Conflict` where it has ended otherwise."""
        return Run.model_validate(await self._send("POST", _path("runs", run_id, "cancel")))

    def runs(self, *, workflow: str | None = None, status: RunStatus | None = None) -> AsyncIterator[Run]:
        """All runs, the newest first."""
        return self._pages("/v1/runs", Run, {"workflow": workflow, "status": status})

    async def workflows(self) -> list[WorkflowView]:
        """What can be started, who serves it, and how many runs of it are open; by name."""
        answer = await self._send("GET", "/v1/workflows")
        return [WorkflowView.model_validate(item) for item in answer["items"]]

    async def approval(self, id: UUID | str) -> ApprovalView:
        """An approval as it stands."""
        return ApprovalView.model_validate(await self._send("GET", _path("approvals", str(id))))

    def approvals(
        self, *, status: ApprovalStatus | None = "pending", run_id: str | None = None, workflow: str | None = None
    ) -> AsyncIterator[ApprovalView]:
        """Approvals, the newest first: those that wait for a decision, or of another status, or all with ``None``."""
        return self._pages("/v1/approvals", ApprovalView, {"status": status, "runId": run_id, "workflow": workflow})

    async def approve(self, id: UUID | str, comment: str | None = None) -> ApprovalView:
        """Approve; see `decide`."""
        return await self.decide(id, "approve", comment)

    async def reject(self, id: UUID | str, comment: str | None = None) -> ApprovalView:
        """Reject; see `decide`."""
        return await self.decide(id, "reject", comment)

    async def decide(
        self,
        id: UUID | str,
        decision: Literal["approve", "reject"],
        comment: str | None = None,
        *,
        digest: str | None = None,
        revision: int | None = None,
    ) -> ApprovalView:
        """Decide on an approval. One that has ended otherwise is a `Conflict` that names the outcome.

        Where it asks for several people this is one vote, and may leave it pending; ``progress`` says what is missing.
        With ``digest`` and ``revision``, the decision counts only if they are those of the approval: for what was
        shown, and nothing else.
        """
        body: dict[str, object] = {"decision": decision, "comment": comment, "digest": digest}
        if revision is not None:
            body["revision"] = revision
        return ApprovalView.model_validate(
            await self._send("POST", _path("approvals", str(id), "decisions"), body=body)
        )

    async def _pages(self, path: str, model: type[M], query: Mapping[str, str | None]) -> AsyncIterator[M]:
        cursor: str | None = None
        while True:
            page = await self._send("GET", path, {**query, "cursor": cursor})
            for item in page["items"]:
                yield model.model_validate(item)
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | None] | None = None,
        body: object = None,
        idempotency_key: str | None = None,
    ) -> Any:
        request = self._http.build_request(
            method,
            path,
            params={name: value for name, value in (query or {}).items() if value is not None},
            content=None if body is None else to_json(body),
            headers={
                **({"Content-Type": "application/json"} if body is not None else {}),
                **({"Idempotency-Key": idempotency_key} if idempotency_key is not None else {}),
            },
        )
        deadline = monotonic() + self._patience
        tries = 0  # of those to which nobody said how long to wait
        while True:
            pause: float | None = None
            failure: PlacetError | Unreachable
            try:
                response = await self._http.send(request)
            except httpx2.TransportError as error:
                failure = Unreachable(f"{request.url.host} does not answer: {error!r}")
                failure.__cause__ = error
            else:
                if response.is_success:
                    return response.json()
                failure = _problem(response)
                if not isinstance(failure, Unavailable):
                    raise failure
                pause = failure.retry_after
            if pause is None:
                pause = _BACKOFF * 2**tries
                tries += 1
            else:
                pause *= 1 + random.uniform(0, _SPREAD)  # noqa: S311
            if tries == _TRIES or monotonic() + pause > deadline:
                raise failure
            await asyncio.sleep(pause)


def _path(*parts: str) -> str:
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _problem(response: httpx2.Response) -> PlacetError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):  # not from the API, but from something in front of it
        problem = {"title": response.reason_phrase or "Error", "detail": response.text[:200]}
    facts: dict[str, Any] = {
        "status": response.status_code,
        "type": str(problem.get("type", "about:blank")),
        "title": str(problem.get("title", "Error")),
        "detail": str(problem.get("detail", "")),
        "problem": problem,
    }
    if response.status_code in _BUSY:
        return Unavailable(**facts, retry_after=_seconds(response.headers.get("retry-after")))
    return _ERRORS.get(response.status_code, PlacetError)(**facts)


def _seconds(retry_after: str | None) -> float | None:
    """What the API asks to wait; ``None`` for what is no number, as a proxy may send a date."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
