"""Points at which a test can make a process fail. Unarmed, a point costs one dictionary look-up."""

from collections.abc import Callable

_armed: dict[str, Callable[[], None]] = {}


class Crash(BaseException):
    """Stands for the death of the process in tests that stay in one; not an `Exception`, so nothing handles it."""


def point(name: str) -> None:
    """Do what is armed here, which may raise."""
    if _armed and (action := _armed.get(name)) is not None:
        action()


def arm(name: str, action: Callable[[], None]) -> None:
    """Call ``action`` whenever the point is reached, until `disarm`."""
    _armed[name] = action


def disarm() -> None:
    """Make every point harmless again."""
    _armed.clear()
