"""Messages as people wrote them: Markdown, of which nothing is let through that could act or fetch."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import SplitResult, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span",
    "strong", "ul",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto"}
_LONGEST = 10_000  # characters; what somebody writes to cost time costs less than half a second


def _elsewhere(tag: str, attribute: str, value: str) -> str | None:
    """Links lead to whole addresses: one without a scheme would lead to a page of ours."""
    return value if attribute != "href" or _parts(value).scheme in _SCHEMES else None


def _parts(url: str) -> SplitResult:
    """The parts of an address; none of what is no address."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


_PARSER = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("strikethrough").disable("image")
_CLEAN = partial(
    nh3.clean,
    tags=_TAGS,
    attributes={"a": {"href"}, "span": {"class"}},
    url_schemes=_SCHEMES,
    attribute_filter=_elsewhere,
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def markdown(text: str) -> Markup:
    """A message as HTML. A link says where it leads, whatever its text claims; a picture is its text.

    One that is long is shown as it was written.
    """
    if len(text) > _LONGEST:
        return Markup('<p class="lines">{}</p>').format(text)
    tokens = _PARSER.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + 2)}"  # below the headings of the page
        if token.children:
            _say_where(token.children)
    return Markup(_CLEAN(_PARSER.renderer.render(tokens, _PARSER.options, {})))  # noqa: S704 -- cleaned


def _say_where(children: Sequence[Token]) -> None:
    """Have each link whose text is not its address be followed by the host that it leads to."""
    target, text = "", ""
    for token in children:
        if token.type == "link_open":
            target, text = str(token.attrGet("href") or ""), ""
        elif token.type == "link_close":
            if target not in (text, f"mailto:{text}"):
                token.meta["host"] = _parts(target).netloc or target
        else:
            text += token.content


def _close_link(_: RendererHTML, tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    host = tokens[index].meta.get("host")
    return "</a>" if host is None else Markup('</a> <span class="host">({})</span>').format(host)


_PARSER.add_render_rule("link_close", _close_link)
