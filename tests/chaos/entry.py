"""``placet`` as the tests start it: it ends with the test run, and can be armed and planted before it begins.

- ``CHAOS_FAIL=decide.after_commit:kill:3``: at the third time that it comes to that point it kills itself; ``raise``
  and ``hang`` are the other actions. The file ``CHAOS_FIRED`` then tells that it has come to pass.
- ``CHAOS_PLANT=no-fence``: with a bug, see `chaos.planted`.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from placet import cli
from placet_runtime import fail

HANG = 5.0  # seconds
_PR_SET_PDEATHSIG = 1


class Failure(ConnectionError):
    """What an armed point raises: the database or the broker is away, says whoever is behind it."""


def main() -> None:
    """Begin as told by the environment."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if armed := os.environ.get("CHAOS_FAIL"):
        arm(armed, Path(os.environ["CHAOS_FIRED"]))
    if planted := os.environ.get("CHAOS_PLANT"):
        from chaos.planted import plant

        plant(planted)
    cli.main()


def arm(spec: str, fired: Path) -> None:
    """Arm one point, for one time."""
    point, action, count = spec.split(":")
    left = int(count)

    def strike() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            fired.write_text(spec)
            _ACTIONS[action]()

    fail.arm(point, strike)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise Failure("an armed point was reached")


def _hang() -> None:
    time.sleep(HANG)  # the whole process stands still, as when it is starved


_ACTIONS: dict[str, Callable[[], None]] = {"kill": _kill, "raise": _raise, "hang": _hang}

if __name__ == "__main__":
    main()
