"""What the peers run on, installed into ``build/peers`` from the locks in ``requirements/peers``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_LOCKS = _ROOT / "requirements" / "peers"
_BUILD = _ROOT / "build" / "peers"


class Missing(Exception):
    """Something that a peer needs cannot be had; the message names it."""


def python(name: str) -> Path:
    """The interpreter of an environment with what a lock names, and nothing else."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        raise Missing(f"there is no {uv}: run this by `make bench-peers`")
    interpreter = _BUILD / name / "bin" / "python"
    if not interpreter.exists():
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, _BUILD / name], f"{name}'s environment")
    _run(
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", interpreter, _LOCKS / f"{name}.txt"],
        f"the Python packages of {name}",
    )
    return interpreter


def restate_server() -> Path:
    """The program, which comes as a package of npm."""
    folder = _BUILD / "restate-server"
    lock = _LOCKS / "restate-server" / "package-lock.json"
    installed = folder / "package-lock.json"
    if not (_program(folder) and installed.exists() and installed.read_bytes() == lock.read_bytes()):
        npm = shutil.which("npm")
        if npm is None:
            raise Missing(
                "Restate's server comes as a package of npm, and there is no npm: install Node.js,"
                " or measure the others with ARGS='--only placet-rabbitmq placet-embedded dbos'"
            )
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(lock.with_name("package.json"), folder)
        shutil.copy(lock, folder)
        _run(
            [npm, "ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"],
            "Restate's server",
        )
    program = _program(folder)
    if program is None:
        raise Missing("Restate has no server for this kind of machine among its packages of npm")
    return program


def pinned(name: str, *packages: str) -> dict[str, str]:
    """The versions of packages in a lock."""
    lines = (_LOCKS / f"{name}.txt").read_text("utf-8").splitlines()
    pins = dict(line.split()[0].split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {package: pins[package] for package in packages}


def _program(folder: Path) -> Path | None:
    return next(folder.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"), None)


def _run(command: list[str | Path], what: str) -> None:
    cache = _BUILD / "cache"  # not in the home, which a user may not have
    environment = {**os.environ, "UV_CACHE_DIR": str(cache / "uv"), "npm_config_cache": str(cache / "npm")}
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"{what} cannot be installed:\n{(done.stdout + done.stderr)[-2000:]}")
