"""``make screenshots``: pictures of the demo's pages, for README and docs. Names of pictures take those alone."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import ViewportSize

from kit import local
from kit.chromium import chromium
from kit.company import address, company_site
from kit.database import template
from kit.outcome import CannotBeHad, say
from kit.site import Site

_FOLDER = Path(__file__).parents[2] / "docs" / "images"
_DESK: ViewportSize = {"width": 1120, "height": 680}
_PHONE: ViewportSize = {"width": 360, "height": 740}
_LARGEST = 150 * 1024  # bytes; a page of the docs shows several


@dataclass(frozen=True)
class Picture:
    """One page, as it is to be seen: its route and example as `kit.company` has them."""

    name: str
    route: str
    example: str
    scheme: str = "light"
    viewport: ViewportSize | None = None


PICTURES = (
    Picture("inbox", "/approvals/{id}", "vendor-payment"),
    Picture("inbox-dark", "/approvals/{id}", "vendor-payment", scheme="dark"),
    Picture("approval", "/approvals/{id}", "deploy"),
    Picture("run", "/runs/{id:path}", "decided"),
    Picture("insights", "/insights", ""),
    Picture("policies", "/settings/policies", ""),
    Picture("workflows", "/workflows", ""),
    Picture("phone", "/approvals/{id}", "refund", viewport=_PHONE),
)


async def take(company: Site, picture: Picture) -> None:
    """Take one.

    Raises:
        RuntimeError: the page is not there, or the picture is too large.
    """
    page, _ = await company.watched(
        "ana", color_scheme=picture.scheme, viewport=picture.viewport or _DESK, reduced_motion="reduce"
    )
    path = await address(company.placet.running, picture.route, picture.example)
    answer = await page.goto(path)
    if answer is None or answer.status != 200:
        raise RuntimeError(f"{picture.name}: {path} is not there")
    file = _FOLDER / f"{picture.name}.png"
    await page.screenshot(path=file, animations="disabled", caret="hide")
    say(f"{file.relative_to(_FOLDER.parents[1])}: {file.stat().st_size // 1024} KB")
    if file.stat().st_size > _LARGEST:
        raise RuntimeError(f"{picture.name} has more than {_LARGEST // 1024} KB")


async def take_all(postgres_url: str, pictures: Sequence[Picture]) -> None:
    async with chromium() as browser, company_site(postgres_url, browser) as company:
        for picture in pictures:
            await take(company, picture)


@contextmanager
def postgres() -> Iterator[str]:
    """The server that the tests are given, or one of our own."""
    if url := os.environ.get("PLACET_TEST_DATABASE_URL"):
        yield url
    else:
        with local.postgres() as url:
            yield url


def main(names: Sequence[str]) -> None:
    if unknown := set(names) - {picture.name for picture in PICTURES}:
        sys.exit(f"there is no picture called {', '.join(sorted(unknown))}")
    try:
        with postgres() as url, template(url):
            asyncio.run(take_all(url, [each for each in PICTURES if not names or each.name in names]))
    except (CannotBeHad, RuntimeError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
