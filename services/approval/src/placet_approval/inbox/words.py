"""Facts in the words of people: names, times, spans, values. Pure."""

import difflib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from placet_approval.policy.votes import Missing

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_LONG_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_LONGEST_DIFF = 400  # lines


def label(name: str) -> str:
    """A field's name as people write it: ``user_id`` and ``userId`` are "User id"."""
    spaced = "".join(f" {c.lower()}" if c.isupper() and i and name[i - 1].islower() else c for i, c in enumerate(name))
    text = " ".join(spaced.replace("_", " ").replace("-", " ").split())
    return f"{text[:1].upper()}{text[1:]}" or name


def who(actor: str | None) -> str:
    """An actor of the history in short: ``user:ana`` is "ana"."""
    if actor is None:
        return "somebody"
    if actor == "clock":
        return "the clock"
    if actor == "run":
        return "the end of its run"
    kind, _, name = actor.partition(":")
    return {"user": name, "key": f"the key {name}", "rule": f"the rule of {name}"}.get(kind, actor) if name else actor


def approver(name: str) -> str:
    """Somebody who is named in a policy: ``group:finance`` is "the group finance"."""
    kind, _, rest = name.partition(":")
    return f"the group {rest}" if kind == "group" else rest


def needed(missing: Missing) -> str:
    """Whose approval is missing: "2 of the group finance", "ana"."""
    if not missing.approvers:
        return f"{missing.count} more, anybody with the role approver"
    names = " or ".join(map(approver, missing.approvers))
    alone = missing.count == 1 and len(missing.approvers) == 1 and not missing.approvers[0].startswith("group:")
    return names if alone else f"{missing.count} more of {names}"


def span(seconds: float) -> str:
    """A span of time, to its two largest units: "2 h 5 min", "340 ms"."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms" if seconds >= 0.001 else "< 1 ms"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(filter(None, parts))


def lasted(seconds: float) -> str:
    """A span of time as exactly as it is of use: "0.3 ms", "4.21 s", "2 h 5 min"."""
    if seconds < 0.01:
        return f"{max(0.0, seconds) * 1000:.2g} ms"
    return f"{seconds:.3g} s" if 1 <= seconds < 60 else span(seconds)


def iso(at: datetime) -> str:
    """As machines read it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(at: datetime) -> str:
    """As people read it, where their own time is not known."""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def ago(at: datetime, style: str = "relative", now: datetime | None = None) -> str:
    """How far off a time is: "in 2 hours"; where `style` is "short", "in 2h". The script has the same words."""
    left = (at - (now or datetime.now(UTC))).total_seconds()
    if abs(left) < 5:
        return "now"
    name, size = next((name, size) for name, size in _LONG_UNITS if abs(left) >= size)
    count = int(abs(left) // size)
    shown = f"{count}{name[0]}" if style == "short" else plural(count, name)
    return f"in {shown}" if left > 0 else f"{shown} ago"


def urgency(deadline: datetime, now: datetime | None = None) -> str:
    """How a deadline is marked: less than an hour off, less than a day, or further."""
    left = (deadline - (now or datetime.now(UTC))).total_seconds()
    return "bad" if left < 3600 else "warn" if left < 86400 else "calm"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def parsed(text: str | None) -> Any:
    """The value that JSON text stands for; ``None`` for none."""
    return None if text is None else json.loads(text)


def pretty(value: Any) -> str:
    """A JSON value, to be read as it is."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def changes(before: Any, after: Any) -> list[tuple[str, str]]:
    """The lines of two values' difference, each with what it is: ``add``, ``del`` or ``same``."""
    lines = difflib.unified_diff(_lines(before), _lines(after), lineterm="", n=3)
    return marked(line for number, line in enumerate(lines) if number >= 2)


def marked(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Lines of a unified diff, each with what it is."""
    kinds = {"+": "add", "-": "del"}
    return [(kinds.get(line[:1], "same"), line) for line, _ in zip(lines, range(_LONGEST_DIFF), strict=False)]


def _lines(value: Any) -> list[str]:
    return (value if isinstance(value, str) else pretty(value)).splitlines()
