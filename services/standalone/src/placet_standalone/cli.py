"""``placet dev`` and ``placet demo``."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from placet.app import Placet
    from placet_standalone.app import Standalone

commands = typer.Typer()

Port = Annotated[int, typer.Option(help="Of the REST API.", min=1, max=65535)]
Data = Annotated[Path, typer.Option(help="Where everything is kept.", envvar="PLACET_DATA")]
DatabaseUrl = Annotated[
    str | None, typer.Option(envvar="PLACET_DATABASE_URL", help="A Postgres of yours, instead of an embedded one.")
]


@commands.command()
def dev(
    app: Annotated[
        str, typer.Argument(envvar="PLACET_APP", help="Your app, as module:attribute, e.g. myproject.workflows:app.")
    ],
    port: Port = 8700,
    data: Data = Path(".placet"),
    database_url: DatabaseUrl = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a Python file changes.")] = False,
) -> None:
    """Run all of Placet in one process, with your app: no Docker, no broker, no account."""
    from placet.loading import load
    from placet_standalone.app import Standalone, login_link

    standalone = Standalone(data.resolve(), port, database_url)
    if reload:
        _reload(standalone, app)
        return

    async def announce(database_url: str) -> None:
        print(f"placet: serving {app} on {standalone.url}", flush=True)
        print(f"placet: the database is {database_url}", flush=True)
        print(f"placet: the admin key is {standalone.secrets.admin_key}", flush=True)
        if (link := await login_link(standalone, database_url)) is not None:
            print(f"placet: sign in within 15 minutes at {link}", flush=True)

    raise typer.Exit(_run(standalone, load(app), announce))


@commands.command()
def demo(
    auto: Annotated[bool, typer.Option("--auto", help="Decide by itself, check the end, and exit.")] = False,
    port: Port = 8700,
    data: Data = Path(".placet"),
    database_url: DatabaseUrl = None,
) -> None:
    """See an approval from end to end, in one process."""
    from placet_standalone import demo as example
    from placet_standalone.app import Standalone, login_link

    standalone = Standalone(data.resolve(), port, database_url)

    async def show(database_url: str) -> int | None:
        if not auto and (link := await login_link(standalone, database_url)) is not None:
            print(f"demo: sign in   within 15 minutes at {link}", flush=True)
        code = await example.tell(standalone, auto=auto)
        if auto:
            return code
        print(f"demo: still serving on {standalone.url}; Ctrl-C ends it", flush=True)
        return None

    raise typer.Exit(_run(standalone, example.app, show))


def _run(standalone: "Standalone", app: "Placet", then: Callable[[str], Awaitable[int | None]]) -> int:
    """Serve, and do something with the database's address once that works; its exit code ends the serving."""
    import uvloop

    from placet_runtime import logs
    from placet_runtime.serve import Server
    from placet_standalone.app import build

    logs.configure(os.environ.get("PLACET_LOG_LEVEL", "warning"), "console")
    listening = _listen(standalone.port)

    async def run() -> int:
        stopping = asyncio.Event()
        addresses: list[str] = []
        server = Server(build(standalone, app, stopping, addresses.append), "127.0.0.1", standalone.port, stopping)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not serving.done():  # noqa: ASYNC110 -- uvicorn gives no signal
            await asyncio.sleep(0.01)
        code: int | None = None
        if server.started:
            doing = asyncio.ensure_future(then(addresses[0]))
            await asyncio.wait((serving, doing), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                code = doing.result()
                if code is not None:
                    server.stop()
            else:
                doing.cancel()
        await serving
        return code or (0 if server.started else 3)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run())
    except KeyboardInterrupt:
        return 0


def _listen(port: int) -> socket.socket:
    from placet.errors import CommandError

    try:
        return socket.create_server(("127.0.0.1", port), backlog=1024)
    except OSError as error:
        raise CommandError(f"port {port} cannot be had ({error.strerror}): choose another with --port") from error


def _reload(standalone: "Standalone", app: str) -> None:
    """Keep the database, and run the rest in a child that starts again with each change."""
    from watchfiles import PythonFilter, awatch

    command = [sys.executable, "-m", "placet.cli", "dev", app]
    command += ["--port", str(standalone.port), "--data", str(standalone.folder)]

    async def start(dsn: str) -> Process:
        return await asyncio.create_subprocess_exec(*command, env={**os.environ, "PLACET_DATABASE_URL": dsn})

    async def run() -> None:
        stop = asyncio.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, stop.set)
        async with standalone.database() as dsn:
            child = await start(dsn)
            try:
                async for _ in awatch(Path.cwd(), watch_filter=PythonFilter(), stop_event=stop):
                    await _end(child)
                    print("placet: a file has changed, starting again", flush=True)
                    child = await start(dsn)
            finally:
                await _end(child)

    asyncio.run(run())


async def _end(child: Process) -> None:
    """Let it drain, if it still runs."""
    with suppress(ProcessLookupError):
        child.terminate()
    await child.wait()
