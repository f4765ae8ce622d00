"""A channel that is not configured."""

from placet_notifier.domain import Delivery, Undeliverable


class Absent:
    """Fails each delivery, and says which setting is missing."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def send(self, delivery: Delivery) -> None:
        raise Undeliverable(self._reason)
