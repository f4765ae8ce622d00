"""Messages as Markdown: what reads well is kept, what could act or fetch is not."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from placet_approval.inbox.markdown import markdown

CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](https://evil.test/p.gif)",
    "[click](javascript:alert(1))",
    "[Approve](/inbox/several?decision=approve)",
    "[x](//evil.test)",
    "[x](http://[) [y](https://[::1)",
    "](<img src=x onerror=alert(1)>)[a](img src)",
    "[click](data:text/html,<script>alert(1)</script>)",
    "[click](vbscript:x)",
    "<a href='javascript:alert(1)'>x</a>",
    '[x](https://a.test" onmouseover="alert(1))',
    "`<b onclick=x>`",
    "<style>*{display:none}</style>",
    "<iframe src=https://evil.test></iframe>",
    "[a]: javascript:alert(1)\n\n[a]",
    "<form action=/approvals/x/decisions method=post><button>Approve</button></form>",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
]
TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span"),
    *("strong", "ul"),
}


class Parsed(HTMLParser):
    """The tags and attributes that a browser would find."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def is_harmless(text: str) -> None:
    for tag, attributes in Parsed(markdown(text)).tags:
        assert tag in TAGS
        assert set(attributes) <= {"href", "rel", "target", "class"}
        assert (attributes.get("href") or "https://").startswith(("https://", "http://", "mailto:"))
        assert attributes.get("class", "host") == "host"


@pytest.mark.parametrize("text", CORPUS)
def test_nothing_in_a_message_can_act_or_fetch(text: str) -> None:
    """Scripts, pictures, handlers, forms and other schemes are text, or gone."""
    is_harmless(text)


@given(st.lists(st.sampled_from([*CORPUS, "\n", " ", "*", "[", "](", ")", "<", ">", "`", "|", "&"])).map("".join))
def test_nor_can_any_mixture_of_them(text: str) -> None:
    """Parsed as a browser parses it."""
    is_harmless(text)


def test_a_link_says_where_it_leads() -> None:
    """Whatever its text claims; one that shows its address says nothing twice."""
    assert '<span class="host">(evil.test)</span>' in markdown("[https://bank.test](https://evil.test/login)")
    assert 'rel="noopener noreferrer nofollow"' in markdown("[x](https://evil.test)")
    assert "host" not in markdown("<https://bank.test/a>")


def test_plain_text_stays_as_it_was_written() -> None:
    """Line by line; headings of a message stay below those of the page."""
    assert markdown("one\ntwo") == "<p>one<br>\ntwo</p>\n"
    assert markdown("# Title") == "<h3>Title</h3>\n"
    assert markdown("5 < 6 & 7") == "<p>5 &lt; 6 &amp; 7</p>\n"


def test_what_is_long_is_shown_as_it_was_written() -> None:
    """Nothing is left out of what somebody decides on, and nothing that is long is parsed."""
    assert markdown("*" * 20_000 + "<b>") == f'<p class="lines">{"*" * 20_000}&lt;b&gt;</p>'
