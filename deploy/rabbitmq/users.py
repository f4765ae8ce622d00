"""Gives each service, and those who start runs, a user on the broker that may do what `topology` says and no more.

Runs to its end before the services start; running it again changes nothing but what has changed. It speaks to the
management API as the administrator.

A service may configure the exchanges, which each of them declares, and its own queues; it may bind and read its own
queues; it may publish and bind only what `PUBLISHERS` and `SUBSCRIBERS` list for it. That a broken or cracked service
cannot do more by roundabout ways (a queue of its own that dead-letters into the exchange, say) is not promised here:
what opens a gate is a receipt that the executor verifies, whoever sent it.
"""

import base64
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from placet_contracts.events import WorkflowStart
from placet_contracts.topology import PUBLISHERS, SERVICES, SUBSCRIBERS, Service, exchanges

_PATIENCE = 120  # seconds until the broker must answer


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a user may do, as patterns over the names of exchanges and queues, and over routing keys."""

    configure: str
    write: str
    read: str
    publishes: str
    subscribes: str


@dataclass(frozen=True, slots=True)
class Broker:
    """The management API of one virtual host."""

    url: str
    user: str
    password: str
    vhost: str

    def prepare(self) -> None:
        """Make the virtual host, once the broker answers."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._put(f"vhosts/{self._vhost}", {})
                return
            except (URLError, OSError) as error:
                if isinstance(error, HTTPError) or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def grant(self, user: str, password: str, topic: str, permissions: Permissions) -> None:
        """Make a user, or bring it up to date."""
        name = quote(user, safe="")
        self._put(f"users/{name}", {"password": password, "tags": ""})
        self._put(
            f"permissions/{self._vhost}/{name}",
            {"configure": permissions.configure, "write": permissions.write, "read": permissions.read},
        )
        self._put(
            f"topic-permissions/{self._vhost}/{name}",
            {"exchange": topic, "write": permissions.publishes, "read": permissions.subscribes},
        )

    @property
    def _vhost(self) -> str:
        return quote(self.vhost, safe="")

    def _put(self, path: str, body: Mapping[str, str]) -> None:
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = Request(  # noqa: S310
            f"{self.url}/api/{path}",
            method="PUT",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10):  # noqa: S310
            pass


def of_service(namespace: str, service: Service) -> Permissions:
    """What a service declares, binds, publishes and reads: see `placet_runtime.rabbit`."""
    own = rf"{re.escape(namespace)}\.{service}\.[a-z0-9.]+"
    reach = f"^({'|'.join(map(re.escape, exchanges(namespace)))}|{own})$"
    return Permissions(
        configure=reach,
        write=reach,
        read=reach,
        publishes=_any(type for type, services in PUBLISHERS.items() if service in services),
        subscribes=_any(type for type, services in SUBSCRIBERS.items() if service in services),
    )


def of_starter(namespace: str) -> Permissions:
    """Publish start messages; nothing else."""
    nothing = "^$"
    return Permissions(
        configure=nothing,
        write=_any([namespace]),
        read=nothing,
        publishes=_any([WorkflowStart.type]),
        subscribes=nothing,
    )


def _any(names: Iterable[str]) -> str:
    return f"^({'|'.join(map(re.escape, sorted(names)))})$"


def main() -> None:
    """Read the environment, and grant."""
    environment = os.environ
    namespace = environment.get("PLACET_NAMESPACE", "placet")
    broker = Broker(
        url=environment["RABBITMQ_MANAGEMENT_URL"].rstrip("/"),
        user=environment["RABBITMQ_USER"],
        password=environment["RABBITMQ_PASSWORD"],
        vhost=environment["RABBITMQ_VHOST"],
    )
    broker.prepare()
    for service in SERVICES:
        broker.grant(service, environment[f"{service.upper()}_MQ_PASSWORD"], namespace, of_service(namespace, service))
    broker.grant("starter", environment["STARTER_MQ_PASSWORD"], namespace, of_starter(namespace))
    print(f"users: {', '.join(SERVICES)} and starter may use {namespace} on {broker.vhost}")


if __name__ == "__main__":
    try:
        main()
    except (URLError, OSError) as error:
        sys.exit(f"users: {error}")
