"""How deciding went, in plots."""

from starlette.responses import Response
from starlette.routing import Route

from placet_approval.handlers.insights import RANGES, Asked
from placet_approval.identity import Unfit
from placet_approval.inbox import figures
from placet_approval.inbox.visits import Visit, shows


async def insights(visit: Visit) -> Response:
    """All plots, for the days, the workflow and the group that the URL names."""
    asked = _asked(visit)
    found = await visit.services.surveys.of(asked)
    return visit.page(
        "insights.html",
        section="insights",
        asked=asked,
        ranges=[(days, visit.request.url.include_query_params(days=days).query) for days in RANGES],
        found=found,
        tiles=figures.tiles(found),
        figures=figures.figures(found),
    )


def _asked(visit: Visit) -> Asked:
    """What a URL asks for.

    Raises:
        Unfit: for days that there is no choice of.
    """
    chosen = {str(days): days for days in RANGES}
    days = visit.query("days", "30")
    if days not in chosen:
        raise Unfit(f"days: one of {', '.join(chosen)}")
    return Asked(chosen[days], visit.query("workflow") or None, visit.query("group") or None)


ROUTES = [Route("/insights", shows(insights), methods=["GET"])]
