"""Packages of Debian and Ubuntu, for what the machine does not have."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.outcome import CannotBeHad, say

_POLICY = Path("/usr/sbin/policy-rc.d")  # asked by packages that are about to start their services


def install(package: str) -> None:
    """Install a package without starting what it brings.

    Raises:
        CannotBeHad: this is another system, we are not root, or it failed.
    """
    if shutil.which("apt-get") is None:
        raise CannotBeHad(f"there is neither {package} nor apt-get to install it with")
    if os.geteuid() != 0:
        raise CannotBeHad(f"there is no {package}, and only root can install it")
    say(f"installing {package}, which is missing, with apt-get")
    with _no_service_starts():
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", package)


@contextmanager
def _no_service_starts() -> Iterator[None]:
    kept = _POLICY.with_name(f"{_POLICY.name}.placet-tests")
    if _POLICY.exists():
        _POLICY.rename(kept)
    try:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
        yield
    finally:
        _POLICY.unlink()
        if kept.exists():
            kept.rename(_POLICY)


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBeHad(f"apt-get {arguments[0]} failed:\n{done.stderr[-2000:]}")
