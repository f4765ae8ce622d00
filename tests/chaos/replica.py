"""One service's process, started again whenever it ends, as an orchestrator would."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2

from kit.proxy import Proxy
from placet_contracts.topology import Service

_TESTS = Path(__file__).parents[1]
_RESTARTS_AFTER = 0.2  # seconds
_READY_WITHIN = 60.0
_LOOKS_EVERY = 0.1


class Replica:
    """A process, and the proxies through which alone it reaches Postgres and RabbitMQ."""

    def __init__(
        self,
        service: Service,
        number: int,
        port: int,
        arguments: list[str],
        environment: Mapping[str, str],
        proxies: Mapping[str, Proxy],
        log: Path,
    ) -> None:
        self.service: Service = service
        self.name = f"{service}-{number}"
        self.url = f"http://127.0.0.1:{port}"
        self.proxies = proxies  # by server: postgres, rabbitmq
        self.busy = asyncio.Lock()  # held by whoever has a fault in it
        self.starts = 0
        self.ends: list[int] = []  # exit codes; negative ones are signals
        self._arguments = arguments
        self._environment = dict(environment)
        self._armed: dict[str, str] = {}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._changed = asyncio.Condition()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    def signal(self, number: signal.Signals) -> int | None:
        """Send a signal; the process id that got it."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    def arm(self, environment: Mapping[str, str]) -> None:
        """What the next process alone gets into its environment, beside its own."""
        self._armed = dict(environment)

    async def ended(self, pid: int | None) -> None:
        """Wait until the process with an id runs no longer."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.pid != pid)

    async def started(self) -> int:
        """Wait until a process runs; its id."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.pid is not None)
        assert self.pid is not None
        return self.pid

    async def ready(self) -> None:
        """Wait until it says that it is ready.

        Raises:
            TimeoutError: it does not.
        """
        async with asyncio.timeout(_READY_WITHIN), httpx2.AsyncClient(base_url=self.url, timeout=5) as http:
            while True:
                with suppress(httpx2.TransportError):
                    if (await http.get("/readyz")).is_success:
                        return
                await asyncio.sleep(_LOOKS_EVERY)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps it going."""
        task = asyncio.create_task(self._keep(), name=self.name)
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._end()

    async def _keep(self) -> None:
        with self._log.open("ab") as log:
            while True:
                armed, self._armed = self._armed, {}
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "chaos.entry",
                    *self._arguments,
                    env={**os.environ, "PYTHONPATH": str(_TESTS), **self._environment, **armed},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the test run alone
                )
                self.starts += 1
                await self._became(process)
                self.ends.append(await process.wait())
                await self._became(None)
                await asyncio.sleep(_RESTARTS_AFTER)

    async def _became(self, process: asyncio.subprocess.Process | None) -> None:
        async with self._changed:
            self._process = process
            self._changed.notify_all()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
