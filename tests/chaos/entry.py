"""``placet`` as the tests start it: it ends with the test run, and can be armed and planted before it begins.

- ``CHAOS_FAIL=decide.after_commit:kill:3``: at the third time that it comes to that point it kills itself; ``raise``
  and ``hang`` are the other actions. The file ``CHAOS_FIRED`` then tells that it has come to pass.
- ``CHAOS_PLANT=no-fence``: with a bug, see `chaos.planted`.
- ``CHAOS_SKEW=-300``: its services think that it is so many seconds later than it is.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from pathlib import Path
from typing import Self, cast

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
    if skew := os.environ.get("CHAOS_SKEW"):
        set_clock(timedelta(seconds=float(skew)), sys.argv[1])
    cli.main()


def set_clock(late: timedelta, service: str) -> None:
    """Give a service's modules another clock, with all that they have imported."""

    class Skewed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cast("Self", datetime.now(tz) + late)

    import_module(f"placet_{service}.app")
    for name, module in list(sys.modules.items()):
        if name.startswith("placet_") and getattr(module, "datetime", None) is datetime:
            module.datetime = Skewed  # type: ignore[attr-defined]


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
