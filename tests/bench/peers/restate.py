"""Restate: its server, with the workflow of `on_restate` in one process beside it, over its HTTP ingress."""

import subprocess
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns
from typing import Any
from uuid import uuid4

from bench.driver import INPUT, Cycles, call
from bench.http import Client, client
from bench.peers import environments
from bench.peers.deployment import Deployment
from bench.processes import free_port, process, ready

_APPS = Path(__file__).parent / "apps"


class Restate:
    """Runs of the workflow ``Gate``; what waits at its gate is asked of the process that runs it."""

    def __init__(self, handlers: Client) -> None:
        self._handlers = handlers

    async def cycle(self, client: Client, seen: Cycles) -> None:
        run_id, started = uuid4().hex, monotonic_ns()
        await self._paused(client, run_id)
        approved = monotonic_ns()
        await call(client, "POST", f"/Gate/{run_id}/approve", "approve")
        output = await call(client, "GET", f"/restate/workflow/Gate/{run_id}/attach")
        seen.end(started=started, entered=output["entered"], approved=approved, resumed=output["resumed"])

    async def pause(self, client: Client) -> None:
        await self._paused(client, uuid4().hex)

    async def _paused(self, client: Client, run_id: str) -> None:
        await call(client, "POST", f"/Gate/{run_id}/run/send", INPUT)
        await call(self._handlers, "GET", f"/paused/{run_id}")


def install() -> tuple[Path, Path]:
    """The server, and the interpreter that runs the workflow.

    Raises:
        Missing: one of them cannot be had.
    """
    return environments.restate_server(), environments.python("restate")


@asynccontextmanager
async def running(folder: Path, *, partitions: int | None = None) -> AsyncIterator[Deployment]:
    """Restate as it comes, on a folder of its own; or with another number of partitions."""
    server, python = install()
    internal, ingress, admin, handlers = (free_port() for _ in range(4))
    environment = {
        "RESTATE_BASE_DIR": str(folder),
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_PORT": str(internal),
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "error,octocrab=off",  # which looks for a newer release, and need not find one
        **({"RESTATE_DEFAULT_NUM_PARTITIONS": str(partitions)} if partitions else {}),
    }
    serve: list[str | Path] = [python, "-m", "granian", "--interface", "asgi", "--loop", "uvloop"]
    serve += ["--log-level", "warning", "--backpressure", "8192", "--port", str(handlers), "on_restate:app"]
    handlers_url = f"http://127.0.0.1:{handlers}"
    async with (
        process([server, "--no-logo"], environment),
        process(serve, {"PYTHONPATH": str(_APPS)}),
        client(f"http://127.0.0.1:{admin}") as admin_http,
        client(handlers_url) as handlers_http,
    ):
        await ready(f"http://127.0.0.1:{admin}", "/health")
        await ready(handlers_url, "/health")
        await call(admin_http, "POST", "/deployments", {"uri": handlers_url})

        async def suspend_soon() -> None:
            await call(admin_http, "PATCH", "/services/Gate", {"inactivity_timeout": "1s"})

        yield Deployment(
            Restate(handlers_http),
            f"http://127.0.0.1:{ingress}",
            _facts(server, environment),
            before_pausing=suspend_soon,
        )


def _facts(server: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The versions, and how the server keeps its log, in its own words."""

    def said(option: str) -> str:
        return subprocess.run([server, option], env=environment, capture_output=True, text=True, check=True).stdout

    config = tomllib.loads(said("--dump-config"))
    return {
        "version": said("--version").split()[-1],
        **environments.pinned("restate", "restate-sdk", "granian"),
        "partitions": config["default-num-partitions"],
        "log": config["bifrost"]["default-provider"],
        "log_fsync": not config["log-server"]["rocksdb-disable-wal-fsync"],
        "inactivity_timeout": config["worker"]["invoker"]["inactivity-timeout"],
    }
