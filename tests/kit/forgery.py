"""Says what only the approval service may say: rightly, as a repeat of it, or wrongly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aio_pika

from kit.product import Product
from kit.waiting import eventually
from placet_contracts.cloudevents import CloudEvent, encode
from placet_contracts.events import ApprovalResolved, Outcome
from placet_runtime.receipts import Resolved, Signer

Approval = dict[str, Any]


class Forger:
    """Publishes resolutions on the broker, past the approval service."""

    def __init__(self, of: Product, exchange: aio_pika.abc.AbstractExchange) -> None:
        self._of = of
        self._exchange = exchange
        self.signer = Signer(of.running._signing_key)

    @classmethod
    @asynccontextmanager
    async def at(cls, of: Product, amqp_url: str) -> AsyncIterator["Forger"]:
        """One for a deployment on RabbitMQ."""
        async with await aio_pika.connect(amqp_url) as connection:
            channel = await connection.channel()
            yield cls(of, await channel.get_exchange(of.running.namespace))

    def receipt(
        self, approval: Approval, outcome: Outcome, *, by: str, signer: Signer | None = None, **other: Any
    ) -> str:
        """A receipt over an approval, or over something that differs in ``other``."""
        signed = Resolved(
            approval_id=UUID(approval["id"]),
            run_id=approval["runId"],
            gate=approval["gate"],
            outcome=outcome,
            digest=approval["digest"],
            resolved_by=by,
        )
        [receipt] = (signer or self.signer).sign([signed.model_copy(update=other)])
        return receipt

    async def repeat(self, approval: Approval, outcome: Outcome, *, by: str) -> None:
        """Send a resolution as the approval service signs it."""
        await self.send(approval, outcome, by=by, receipt=self.receipt(approval, outcome, by=by))

    async def send(self, approval: Approval, outcome: Outcome, *, by: str, receipt: str, **other: Any) -> str:
        """Send a resolution with some receipt; the event's id."""
        event = ApprovalResolved(
            approval_id=UUID(approval["id"]),
            run_id=approval["runId"],
            gate=approval["gate"],
            outcome=outcome,
            digest=approval["digest"],
            resolved_by=by,
            resolved_at=datetime.now(UTC),
            channel="api",
            receipt=receipt,
        ).model_copy(update=other)
        id = str(uuid4())
        body = encode(CloudEvent(id, "placet/approval", event))
        await self._exchange.publish(aio_pika.Message(body), routing_key=event.type, mandatory=True)
        return id

    async def refused(self, event_id: str) -> str:
        """Why the executor has put an event aside, once it has."""

        async def look() -> list[dict[str, Any]]:
            return await self._of.running.query(
                "executor",
                "SELECT reason FROM quarantine WHERE strpos(convert_from(body, 'UTF8'), $1) > 0",
                event_id,
            )

        await eventually(look)
        [kept] = await look()
        return str(kept["reason"])

    async def settled(self) -> None:
        """Return when what was sent until now has been received: one more is sent, and its refusal waited for."""
        stray = {"id": str(uuid4()), "runId": "none", "gate": "none", "digest": "sha256:0"}
        await self.refused(await self.send(stray, "approved", by="nobody", receipt=""))
