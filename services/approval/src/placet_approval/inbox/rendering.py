"""Pages for people, made of templates; what is put into them is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

# Origin is sent with forms, so the referrer policy is not `no-referrer`: with that, browsers send `Origin: null`.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "strict-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}

_ENVIRONMENT = Environment(
    loader=PackageLoader("placet_approval.inbox"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, *, status: int = 200, headers: dict[str, str] | None = None, **facts: object) -> HTMLResponse:
    """A page out of a template and what it shows."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(facts), status, HEADERS | (headers or {}))
