"""The OpenAPI document against the service that serves it: whatever a generator makes of it, the answers are in it."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn

from kit.product import Product
from kit.stack import ADMIN_KEY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

# To what fits the document. 422: there is more to fit than a schema can say, such as a cursor that no page has given.
MAY_ANSWER = ["2xx", "401", "403", "404", "409", "422"]


@asynccontextmanager
async def served(placet: Product) -> AsyncIterator[str]:
    """The service on a port; requests that would wait do not."""
    assert placet.running._approval is not None
    placet.running._approval.services.waits._stopping.set()
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        placet.running.asgi(), interface="asgi3", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()


async def test_the_document_is_true(placet: Product, tmp_path: Path) -> None:
    """Schemathesis, with all its checks: every answer is in the document, and what that refuses is refused."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(f"[checks.positive_data_acceptance]\nexpected-statuses = {MAY_ANSWER}\n")
    async with served(placet) as origin:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={config}",
            "run",
            f"{origin}/openapi.json",
            f"--header=Authorization: Bearer {ADMIN_KEY}",
            "--checks=all",
            "--max-examples=25",
            "--seed=1",
            "--generation-database=none",
            "--no-color",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()[-20_000:]
