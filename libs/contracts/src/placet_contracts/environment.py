"""The variables that Placet knows. A name that begins with ``PLACET_`` and is none of them is a mistake.

One env file often serves several processes, so each accepts the variables of all of them.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches

PREFIX = "PLACET_"

# What the services read: a test compares it with their settings.
_SERVICES = """
    ADMIN_KEY AMQP_URL APP CONCURRENCY DATABASE_CONNECTIONS DATABASE_URL DELIVERY_BACKOFF DELIVERY_CONCURRENCY
    DELIVERY_TIMEOUT DELIVERY_TRIES DRAIN FAILED_ATTEMPTS HOST LEASE LOG_FORMAT LOG_LEVEL MAIL_FROM MAX_BODY MAX_STARTS
    MAX_STARTS_BYTES MAX_WAITING_RUNS MIGRATE NAMESPACE OIDC_CLIENT_ID OIDC_CLIENT_SECRET OIDC_GROUPS OIDC_GROUPS_CLAIM
    OIDC_ISSUER OIDC_NAME OIDC_NEW_USERS OIDC_NEW_USER_ROLES OIDC_SCOPE PORT PUBLIC_URL RETENTION_ARCHIVE
    RETENTION_DELIVERIES RETENTION_EVERY RETENTION_QUARANTINE RETENTION_RUNS RETRY_BACKOFF SESSION_IDLE SESSION_LIFETIME
    SIGNING_KEY SLACK_BASE_URL SLACK_TOKEN SMTP_CA SMTP_URL TRUSTED_PROXIES UNDO_SECONDS VERIFY_KEYS
    WEBHOOK_ALLOW_PRIVATE WEBHOOK_SECRET
"""
_OTHERS = """
    API_KEY DATA URL
    APP_FOLDER AMQP_PORT BIND HTTP_PORT IMAGE MAIL_PORT
"""  # of the client and the command line; of the compose stack

SERVICES = frozenset(PREFIX + name for name in _SERVICES.split())
KNOWN = SERVICES | {PREFIX + name for name in _OTHERS.split()}

# Kubernetes sets these for each service of a namespace: PLACET_APPROVAL_PORT_8700_TCP_ADDR for placet-approval.
_LINK = re.compile(r"PLACET_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_LINK_URL = re.compile(r"(tcp|udp|sctp)://")  # the value of PLACET_APPROVAL_PORT there
_TESTS = "PLACET_TEST_"


def mistakes(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that nothing of Placet reads, with the one that was probably meant."""
    return [_mistake(name) for name, value in sorted(environment.items()) if _unknown(name.upper(), value)]


def _unknown(name: str, value: str) -> bool:
    if not name.startswith(PREFIX) or name in KNOWN or name.startswith(_TESTS):
        return False
    return not (_LINK.fullmatch(name) or (name.endswith("_PORT") and _LINK_URL.match(value)))


def _mistake(name: str) -> str:
    near = get_close_matches(name.upper(), sorted(KNOWN), n=1, cutoff=0.75)
    hint = f"did you mean {near[0]}?" if near else f"names that begin with {PREFIX} are Placet's own: use another one"
    return f"{name}: no such variable; {hint}"
