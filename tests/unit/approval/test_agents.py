"""Browsers in the list of sessions have names."""

import pytest

from placet_approval.inbox.agents import in_words

AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0": "Firefox 141 on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 "
    "Edg/139.0.0.0": "Edge 139 on Windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36":
        "Chrome 139 on Windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 "
    "Safari/605.1.15": "Safari 18 on macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 "
    "Mobile/15E148 Safari/604.1": "Safari 18 on an iPhone",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Mobile Safari/537.36":
        "Chrome 139 on Android",
    "curl/8.5.0": "curl/8.5.0",
    "": "An unknown browser",
    "<script>alert(1)</script>": "<script>alert(1)</script>",
    "x" * 200: "x" * 80,
}  # fmt: skip


@pytest.mark.parametrize(("agent", "words"), AGENTS.items())
def test_a_browser_by_its_name(agent: str, words: str) -> None:
    """With its version and system, as far as they can be told; else as it says itself."""
    assert in_words(agent) == words
