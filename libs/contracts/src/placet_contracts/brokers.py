"""The nodes of a RabbitMQ cluster, as a setting names them."""

import re
from urllib.parse import urlsplit

_NEXT = re.compile(r",(?=\s*[A-Za-z0-9+.-]*://)|,\s*$")  # a comma elsewhere may be part of a password


def urls(text: str) -> list[str]:
    """The AMQP URLs in a text that names one, or several with commas between them: the nodes of one cluster.

    Raises:
        ValueError: one is no AMQP URL, or they differ in their virtual host. It says which, without the URL itself.
    """
    found = [url.strip() for url in _NEXT.split(text)]
    for place, url in enumerate(found, 1):
        parts = urlsplit(url)
        behind_user = url.removeprefix(f"{parts.scheme}://").rpartition("@")[2]
        if parts.scheme not in ("amqp", "amqps") or not parts.hostname or "," in behind_user:
            which = f"no. {place} of {len(found)} is " if len(found) > 1 else ""
            raise ValueError(
                f"{which}not an AMQP URL: amqp://user:password@host:5672/vhost, several with commas between them"
            )
    if len({urlsplit(url).path.removeprefix("/") for url in found}) > 1:
        raise ValueError("the nodes of a cluster share their virtual host, and these URLs differ in it")
    return found
