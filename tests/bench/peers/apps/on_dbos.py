"""The approval cycle as a DBOS workflow, behind a small HTTP app: ``on_dbos.py DATABASE_URL PORT THREADS``.

It runs in an environment with ``dbos``. ``GET /runs/{id}/paused`` answers once a run waits at its gate: a signal in
memory, so that seeing the pause costs DBOS no durable work. The end is awaited on the handle that the start returned.
"""

import asyncio
import sys
from collections import defaultdict
from time import monotonic_ns
from typing import Any

import uvicorn
from dbos import DBOS, SetWorkflowID, WorkflowHandleAsync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_YEAR = 365 * 24 * 3600.0

paused: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
handles: dict[str, WorkflowHandleAsync[dict[str, Any]]] = {}


@DBOS.step()
async def look_up(key: str, entered: int) -> dict[str, Any]:
    return {"key": key, "entered": entered}


@DBOS.workflow()
async def gate(input: dict[str, Any]) -> dict[str, Any]:
    entered = monotonic_ns()
    found = await look_up(input["key"], entered)
    workflow_id = DBOS.workflow_id
    assert workflow_id is not None
    asyncio.get_running_loop().call_soon(paused[workflow_id].set)  # when this workflow waits
    decision = await DBOS.recv_async("approval", timeout_seconds=_YEAR)
    return {"entered": found["entered"], "resumed": monotonic_ns(), "decision": decision}


async def start(request: Request) -> JSONResponse:
    run_id = request.path_params["id"]
    with SetWorkflowID(run_id):
        handles[run_id] = await DBOS.start_workflow_async(gate, await request.json())
    return JSONResponse({"id": run_id}, 202)


async def wait_paused(request: Request) -> JSONResponse:
    run_id = request.path_params["id"]
    await paused[run_id].wait()
    del paused[run_id]
    return JSONResponse({})


async def approve(request: Request) -> JSONResponse:
    await DBOS.send_async(request.path_params["id"], await request.json(), "approval")
    return JSONResponse({})


async def result(request: Request) -> JSONResponse:
    return JSONResponse(await handles.pop(request.path_params["id"]).get_result())


async def ready(request: Request) -> JSONResponse:
    return JSONResponse({})


app = Starlette(
    routes=[
        Route("/readyz", ready),
        Route("/runs/{id}", start, methods=["POST"]),
        Route("/runs/{id}/paused", wait_paused),
        Route("/runs/{id}/approve", approve, methods=["POST"]),
        Route("/runs/{id}/result", result),
    ]
)


if __name__ == "__main__":
    database_url, port, threads = sys.argv[1:]
    DBOS(
        config={
            "name": "bench",
            "system_database_url": database_url,
            "max_executor_threads": int(threads),
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    uvicorn.run(app, host="127.0.0.1", port=int(port), loop="uvloop", http="httptools", log_level="warning")
