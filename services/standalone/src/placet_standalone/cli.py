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
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from placet.app import Placet
    from placet_standalone.app import Running, Standalone

commands = typer.Typer()

Port = Annotated[int, typer.Option(help="Of the REST API.", min=1, max=65535)]
Data = Annotated[
    Path | None,
    typer.Option(help="Where everything is kept: a folder, .placet if none is named.", envvar="PLACET_DATA"),
]
DatabaseUrl = Annotated[
    str | None, typer.Option(envvar="PLACET_DATABASE_URL", help="A Postgres of yours, instead of an embedded one.")
]

_DATA = Path(".placet")
_DEMO_DATA = _DATA / "demo"


@commands.command()
def dev(  # noqa: PLR0917 -- typer gives each by its name
    app: Annotated[
        str | None,
        typer.Argument(envvar="PLACET_APP", help="Your app, as module:attribute, e.g. myproject.workflows:app."),
    ] = None,
    port: Port = 8700,
    data: Data = None,
    database_url: DatabaseUrl = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a Python file changes.")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="A company that is made up, instead of your app.")] = False,
) -> None:
    """Run all of Placet in one process, with your app: no Docker, no broker, no account."""
    from placet.errors import CommandError
    from placet.loading import load
    from placet_standalone.app import Running, Standalone, login_link

    if demo and (app is not None or reload):
        raise CommandError("--demo brings an app of its own: leave out yours, and --reload")
    if demo:
        _demo(port, data, database_url, auto=False)
    if app is None:
        raise CommandError("name your app, as in placet dev myproject.workflows:app; or say --demo")
    standalone = Standalone((data or _DATA).resolve(), port, database_url)
    if reload:
        _reload(standalone, app)
        return

    async def announce(running: Running) -> None:
        _say_where(app, standalone, running)
        if (link := await login_link(standalone, running.dsn)) is not None:
            print(f"placet: sign in within 15 minutes at {link}", flush=True)

    raise typer.Exit(_run(standalone, load(app), announce))


@commands.command()
def demo(
    auto: Annotated[bool, typer.Option("--auto", help="Decide by itself, check the end, and exit.")] = False,
    port: Port = 8700,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """See Placet at work in a company that is made up, in one process."""
    _demo(port, data, database_url, auto=auto)


def _demo(port: int, data: Path | None, database_url: str | None, *, auto: bool) -> NoReturn:
    """Serve the company that is made up; with ``auto``, until one of its workflows was seen from start to end."""
    from placet_standalone.app import Running, Standalone, login_link
    from placet_standalone.demo import company, seeding, story

    standalone = Standalone((data or _DEMO_DATA).resolve(), port, database_url)

    async def show(running: Running) -> int | None:
        seeded = await seeding.fill(running.services)
        if auto:
            return await story.decide_one(standalone.url, standalone.secrets.admin_key)
        if seeded:
            link: str | None = f"{standalone.url}{await seeding.link(running.services)}"
        else:
            story.say("there is other data here already: nothing was added to it")
            link = await login_link(standalone, running.dsn)
        _say_where("the demo", standalone, running)
        if link is not None:
            story.say(f"open the inbox within 15 minutes at\n\n  {link}\n")
        story.say("what people decide, and what then happens, is told here; Ctrl-C ends it")
        await story.follow(running.services.deps)
        return None

    raise typer.Exit(_run(standalone, company.app, show, seeding.prepare, "critical"))


def _say_where(app: str, standalone: "Standalone", running: "Running") -> None:
    print(f"placet: serving {app} on {standalone.url}", flush=True)
    print(f"placet: the database is {running.dsn}", flush=True)
    print(f"placet: the admin key is {standalone.secrets.admin_key}", flush=True)


def _run(
    standalone: "Standalone",
    app: "Placet",
    then: Callable[["Running"], Awaitable[int | None]],
    prepare: Callable[[str], Awaitable[None]] | None = None,
    log_level: str = "warning",
) -> int:
    """Serve, and do something once that works; its exit code ends the serving. ``prepare`` comes before, with the
    database's address; ``log_level`` holds where the environment names none."""
    import uvloop

    from placet_runtime import logs
    from placet_runtime.serve import Server
    from placet_standalone.app import build, nothing, settings

    settings(standalone)  # what is wrong there ends it before anything starts
    logs.configure(os.environ.get("PLACET_LOG_LEVEL", log_level), "console")
    listening = _listen(standalone.port)

    async def run() -> int:
        stopping = asyncio.Event()
        serving: list[Running] = []
        served = build(standalone, app, stopping, serving.append, prepare or nothing)
        server = Server(served, "127.0.0.1", standalone.port, stopping)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not task.done():  # noqa: ASYNC110 -- uvicorn gives no signal
            await asyncio.sleep(0.01)
        code: int | None = None
        if server.started:
            doing = asyncio.ensure_future(then(serving[0]))
            stopped = asyncio.create_task(stopping.wait())  # it ends before what it uses is closed
            await asyncio.wait((task, doing, stopped), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if doing.done():
                code = doing.result()
                if code is not None:
                    server.stop()
            else:
                doing.cancel()
        await task
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
    from watchfiles import awatch

    from placet_standalone.watching import OwnCode

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
                async for _ in awatch(Path.cwd(), watch_filter=OwnCode(Path.cwd()), stop_event=stop):
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
