"""``placet dev`` as its user sees it: a process that serves, starts again when a file changes, and ends cleanly."""

from pathlib import Path
from signal import SIGINT

import httpx2
import pytest

from kit.command import free_port, says, serving, started
from placet import PlacetClient

APP = """
from placet import Context, Placet

app = Placet()

@app.workflow("hello")
async def hello(ctx: Context, input: None) -> str:
    return "one"
"""


async def output_of_hello(port: int, key: str) -> object:
    async with PlacetClient(f"http://127.0.0.1:{port}", key) as client:
        run = await client.start("hello")
        return (await client.wait(run.id, timeout=20)).output


async def who_signs_in(link: str) -> object:
    """The actor of whoever presses the button of a login link."""
    address, _, token = link.partition("#")
    origin = address.removesuffix("/sign-in/link")
    async with httpx2.AsyncClient(headers={"Origin": origin}) as http:
        await http.post(address, data={"token": token})
        return (await http.get(f"{origin}/v1/me")).json()["actor"]


@pytest.mark.slow
async def test_a_changed_file_starts_it_again_on_the_same_data(tmp_path: Path) -> None:
    """With --reload, what one saves is what runs next; the database and the key stay. Its link signs in."""
    file = tmp_path / "workflows.py"
    file.write_text(APP)
    async with serving("dev", "workflows:app", "--reload", folder=tmp_path) as (process, port):
        key = (await says(process, "admin key")).split()[-1]
        link = (await says(process, "sign in")).split()[-1]
        assert await output_of_hello(port, key) == "one"
        assert await who_signs_in(link) == "user:admin"

        file.write_text(APP.replace('"one"', '"two"'))

        assert (await says(process, "admin key")).split()[-1] == key
        assert await output_of_hello(port, key) == "two"
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.slow
async def test_a_broken_app_is_a_clear_error_before_anything_starts(tmp_path: Path) -> None:
    """An app that does not import ends the command with one line that says why, and leaves no data behind."""
    (tmp_path / "workflows.py").write_text("import nowhere")
    async with serving("dev", "workflows:app", folder=tmp_path) as (process, _):
        line = await says(process, "placet:")
        assert await process.wait() == 2

    assert line == "placet: workflows does not import: ModuleNotFoundError: No module named 'nowhere'"
    assert not (tmp_path / ".placet").exists()


LOOKS = """
import sys
from pathlib import Path

from placet import Placet
from placet_standalone.app import Running, Standalone
from placet_standalone.cli import _run

async def look(running: Running) -> None:
    print("looking", flush=True)
    while True:
        async with running.services.deps.pool.acquire() as conn:
            await conn.fetchval("SELECT 1")

sys.exit(_run(Standalone(Path("data"), int(sys.argv[1]), sys.argv[2]), Placet(), look))
"""


async def test_what_goes_on_beside_the_services_ends_before_them(tmp_path: Path, database_url: str) -> None:
    """Who looks at the database without end, as the demo's terminal does, is no error of a Ctrl-C."""
    async with started("-c", LOOKS, str(free_port()), database_url, folder=tmp_path) as process:
        await says(process, "looking")
        process.send_signal(SIGINT)
        assert await process.wait() == 0
