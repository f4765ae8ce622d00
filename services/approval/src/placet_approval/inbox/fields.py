"""What a form has sent, and what does not fit in it, field by field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Fields:
    """The fields of a form as they were typed, to be shown again, with an error beside each that does not fit."""

    def __init__(self, sent: Mapping[str, str] | None = None, **defaults: str) -> None:
        self._sent = {**defaults, **(sent or {})}
        self.errors: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """A field's text, empty where it was not sent."""
        return self._sent.get(name, "")

    def text(self, name: str) -> str:
        """A field's text without the space around it."""
        return self[name].strip()

    def words(self, name: str) -> list[str]:
        """What stands in a field, parted by spaces, lines, commas or semicolons."""
        return self[name].replace(",", " ").replace(";", " ").split()

    def wrong(self, name: str, why: str) -> None:
        """Say what is wrong with a field; the first that is said of it counts."""
        first = why[:1] if ":" in why.partition(" ")[0] else why[:1].upper()  # what is named stays as it is
        self.errors.setdefault(name, f"{first}{why[1:]}{'' if why.endswith('.') else '.'}")

    def read(self, name: str, reader: Callable[[str], T], *kinds: type[Exception]) -> T | None:
        """A field as ``reader`` makes it of its text; ``None`` where it raised one of ``kinds``, which is said."""
        with self.beside(name, *kinds):
            return reader(self.text(name))
        return None

    def beside(self, name: str, *kinds: type[Exception]) -> "Beside":
        """Have an error of these kinds said beside a field, and go on behind the ``with``."""
        return Beside(self, name, kinds)


@dataclass(frozen=True, slots=True)
class Beside:
    """Says errors of some kinds beside a field."""

    fields: Fields
    name: str
    kinds: tuple[type[Exception], ...]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, self.kinds):
            return False
        self.fields.wrong(self.name, str(error))
        return True
