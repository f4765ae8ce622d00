"""What browsers call themselves, in words."""

import re

_BROWSERS = (
    ("Edge", r"\bEdg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"\bOPR/(\d+)"),
    ("Firefox", r"\b(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"\b(?:Headless)?(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"\bVersion/(\d+)[\d.]* (?:Mobile/\w+ )?Safari/"),
)
_SYSTEMS = (
    ("an iPhone", r"\biPhone\b"),
    ("an iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b|\bMacintosh\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)


def in_words(agent: str) -> str:
    """``Firefox 141 on Linux``; what cannot be told stands there as the browser has said it."""
    browser = next((f"{name} {found[1]}" for name, form in _BROWSERS if (found := re.search(form, agent))), None)
    system = next((name for name, form in _SYSTEMS if re.search(form, agent)), None)
    if browser is None:
        return agent.strip()[:80] or "An unknown browser"
    return browser if system is None else f"{browser} on {system}"
