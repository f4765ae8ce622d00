"""Where pages are that others lead to."""

from urllib.parse import quote

START = "/start"  # of a run


def run_url(run_id: str) -> str:
    """Where a run's page is. Browsers would resolve ``..`` between slashes, so those are escaped then."""
    dots = not {".", ".."}.isdisjoint(run_id.split("/"))
    return f"/runs/{quote(run_id, safe='' if dots else '/')}"
