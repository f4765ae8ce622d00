"""Numbers in few letters, as plots, tiles and tables show them."""

from datetime import date

_UNITS = ((1, "s", 60), (60, "min", 60), (3600, "h", 24))


def duration(seconds: float) -> str:
    """A span of time in its largest unit that is full: ``0.4 s``, ``12 min``, ``3.1 h``, ``9 d``."""
    for size, name, most in _UNITS:
        shown = _rounded(seconds / size)
        if float(shown) < most:
            return f"{shown} {name}"
    return f"{seconds / 86400:,.0f} d"


def count(number: int) -> str:
    """A number with its thousands apart."""
    return f"{number:,}"


def share(part: int, whole: int) -> str:
    """A part of what is not nothing, in percent."""
    return f"{_rounded(100 * part / whole)} %"


def day(when: date) -> str:
    """A day without its year: ``24 Nov``."""
    return f"{when.day} {when:%b}"


def _rounded(value: float) -> str:
    """To the tenth below ten, else to the whole."""
    whole = f"{value:.0f}"
    return whole if float(whole) >= 10 else f"{value:.1f}".removesuffix(".0")
