"""A page as a browser takes it in: its elements with their attributes and texts."""

from collections.abc import Iterator
from html.parser import HTMLParser

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_PARTS = {"td", "th", "li", "dt", "dd", "p", "div", "h1", "h2", "br", "option", "label", "summary", "section"}
_LEADING = {"href", "src", "action", "formaction"}


class Element:
    """An element; ``text`` is all that stands in it, with spaces as they are shown."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).split())

    @property
    def raw(self) -> str:
        return "".join(self.pieces)

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]


class Markup(HTMLParser):
    """A page; it must be well formed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(html)
        self.close()
        assert self._open == [], [element.tag for element in self._open]

    def of(self, tag: str, **attributes: str) -> list[Element]:
        """Elements of a kind with these attributes; ``class_`` is one of its classes."""
        return [element for element in self.elements if element.tag == tag and _fits(element, attributes)]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only one of a kind."""
        found = self.of(tag, **attributes)
        assert len(found) == 1, [element.attributes for element in found]
        return found[0]

    @property
    def text(self) -> str:
        return self.one("body").text

    @property
    def title(self) -> str:
        return self.one("h1").text

    @property
    def errors(self) -> dict[str, str]:
        """What is said beside fields, by their names."""
        return {element["id"].removesuffix("-error"): element.text for element in self.of("span", class_="error")}

    @property
    def handlers(self) -> Iterator[str]:
        """All that a browser would run: scripts in the page, and attributes that are scripts."""
        for element in self.elements:
            if element.tag in ("script", "style", "iframe", "object") and element.raw.strip():
                yield element.tag
            for name, value in element.attributes.items():
                leads = name in _LEADING and value.strip().lower().startswith("javascript:")
                if name.startswith("on") or name == "style" or leads:
                    yield f"{element.tag} {name}={value}"

    def value(self, name: str) -> str:
        """What stands in a field."""
        if areas := self.of("textarea", name=name):
            return areas[0].raw.removeprefix("\n")
        found = self.of("input", name=name)
        return min(found, key=lambda each: each.attributes.get("type") == "hidden")["value"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        self._part(tag)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        element = self._open.pop()
        assert element.tag == tag, (element.tag, tag)
        self._part(tag)

    def _part(self, tag: str) -> None:
        if tag in _PARTS:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.pieces.append(data)


def _fits(element: Element, wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        if name == "class_":
            if value not in element.attributes.get("class", "").split():
                return False
        elif element.attributes.get(name) != value:
            return False
    return True
