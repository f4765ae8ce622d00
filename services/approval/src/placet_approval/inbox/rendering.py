"""Pages for people, made of templates; what is put into them is escaped."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.responses import HTMLResponse

from placet_approval.inbox import wording, words
from placet_approval.inbox.addresses import run_url
from placet_approval.inbox.icons import icon
from placet_approval.inbox.markdown import markdown

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


@pass_context
def token_field(context: Context) -> Markup:
    """What every form that does something carries."""
    return Markup('<input type="hidden" name="token" value="{}">').format(context["visit"].token)


_ENVIRONMENT = Environment(
    loader=PackageLoader("placet_approval.inbox"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,  # it would look at the file of each template, each time
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals |= {"icon": icon, "token_field": token_field, "told": None, "visit": None, "section": ""}
_ENVIRONMENT.filters |= {
    "run_url": run_url,
    "markdown": markdown,
    "label": words.label,
    "pretty": words.pretty,
    "parsed": words.parsed,
    "who": words.who,
    "span": words.span,
    "lasted": words.lasted,
    "ago": words.ago,
    "iso": words.iso,
    "utc": words.utc,
    "needed": words.needed,
    "urgency": words.urgency,
    "in_words": wording.in_words,
    "approver": words.approver,
    "plural": words.plural,
    "changes": words.changes,
}


def page(template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **facts: Any) -> HTMLResponse:
    """A page out of a template and what it shows."""
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(facts), status, {**HEADERS, **(headers or {})})
