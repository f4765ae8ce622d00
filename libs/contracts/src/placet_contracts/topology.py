"""Who hears which event, and what the exchanges and queues on the broker are called.

Every name begins with a namespace (``placet`` unless set otherwise), so that deployments can share a broker:

- ``<namespace>``, a topic exchange: events, the type is the routing key
- ``<namespace>.<service>.<type>``, a quorum queue for each subscription
- ``<namespace>.acks``, a direct exchange, and ``<namespace>.<service>.acks``, a quorum queue: see
  `placet_runtime.outbox`
- ``<namespace>.dead``, a direct exchange, and ``<namespace>.<service>.dead``: messages that were delivered too
  often; the service moves them into its quarantine table
"""

from collections.abc import Mapping
from typing import Literal, get_args

from placet_contracts.events import (
    ApprovalOpened,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    DeliveryChanged,
    MessageQuarantined,
    MessageReleased,
    NotificationRequested,
    QuarantineHandle,
    RunCancel,
    RunChanged,
    WorkflowsServed,
    WorkflowStart,
)

Service = Literal["approval", "executor", "notifier"]
SERVICES: tuple[Service, ...] = get_args(Service)

SUBSCRIBERS: Mapping[str, tuple[Service, ...]] = {
    WorkflowStart.type: ("executor",),
    RunCancel.type: ("executor",),
    RunChanged.type: ("approval",),
    ApprovalRequested.type: ("approval",),
    ApprovalOpened.type: ("notifier",),
    ApprovalReminded.type: ("notifier",),
    ApprovalResolved.type: ("executor",),
    NotificationRequested.type: ("notifier",),
    DeliveryChanged.type: ("approval",),
    WorkflowsServed.type: ("approval",),
    MessageQuarantined.type: ("approval",),
    MessageReleased.type: ("approval",),
    QuarantineHandle.type: ("executor", "notifier"),
}

PUBLISHERS: Mapping[str, tuple[Service, ...]] = {
    WorkflowStart.type: ("approval",),
    RunCancel.type: ("approval",),
    RunChanged.type: ("executor",),
    ApprovalRequested.type: ("executor",),
    ApprovalOpened.type: ("approval",),
    ApprovalReminded.type: ("approval",),
    ApprovalResolved.type: ("approval",),
    NotificationRequested.type: ("executor",),
    DeliveryChanged.type: ("notifier",),
    WorkflowsServed.type: ("executor",),
    MessageQuarantined.type: ("executor", "notifier"),
    MessageReleased.type: ("executor", "notifier"),
    QuarantineHandle.type: ("approval",),
}

_SOURCE = "placet/"


def source(service: Service) -> str:
    """The CloudEvents source of what a service says."""
    return _SOURCE + service


def producer(source: str) -> Service | None:
    """The service that an event comes from; ``None`` for events from outside."""
    return next((service for service in SERVICES if source == _SOURCE + service), None)


def queue(namespace: str, service: Service, type: str) -> str:
    return f"{namespace}.{service}.{type}"


def ack_queue(namespace: str, service: Service) -> str:
    return f"{namespace}.{service}.acks"


def dead_queue(namespace: str, service: Service) -> str:
    return f"{namespace}.{service}.dead"


def exchanges(namespace: str) -> list[str]:
    return [namespace, f"{namespace}.acks", f"{namespace}.dead"]


def queues(namespace: str) -> list[str]:
    """Every queue of a deployment."""
    subscriptions = [queue(namespace, service, event) for event, names in SUBSCRIBERS.items() for service in names]
    return subscriptions + [name(namespace, service) for service in SERVICES for name in (ack_queue, dead_queue)]
