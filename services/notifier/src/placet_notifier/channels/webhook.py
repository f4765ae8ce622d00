"""Webhooks: a POST signed after Standard Webhooks, to public addresses only, each resolved once and connected to."""

import asyncio
import socket
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from ssl import SSLContext
from typing import Any
from uuid import UUID

import httpx2
from pydantic_core import to_json
from standardwebhooks import Webhook as Signer

from placet_contracts.destinations import Webhook
from placet_contracts.events import ApprovalOpened, NotificationRequested
from placet_contracts.topology import source
from placet_notifier.channels.clock import within
from placet_notifier.channels.content import link, shorten
from placet_notifier.domain import Delivery, SendFailed, TryLater, Undeliverable, retry_after

# The addresses of a host and port, as ``getaddrinfo`` has them.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_MESSAGE = 10_000  # characters
_CONTEXT = 64 * 1024  # bytes of JSON
_RESPONSE = 64 * 1024
_KEY = 24  # bytes, as Standard Webhooks wants
_TRY_AGAIN = (408, 425, 429)
_GLOBAL_UNICAST = IPv6Network("2000::/3")


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Poster:
    """Posts with one secret. It follows no redirect and knows no proxy: either could lead back inside."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        secret: str,
        *,
        allow_private: bool,
        public_url: str,
        send_timeout: float,
        resolve: Resolve,
    ) -> None:
        self._client = client
        self._signer = signer(secret)
        self._allow_private = allow_private
        self._public_url = public_url
        self._timeout = send_timeout
        self._resolve = resolve

    async def send(self, delivery: Delivery) -> None:
        if not isinstance(delivery.destination, Webhook):
            raise Undeliverable("not a webhook")
        body = render(delivery, self._public_url)
        headers = {"content-type": "application/json", **self._signature(delivery.id, body)}
        try:
            url = httpx2.URL(delivery.destination.url)
            async with within(self._timeout, "the webhook"):
                status, after = await self._post(url, headers, body)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise Undeliverable("the webhook's URL is none") from error
        except (httpx2.HTTPError, OSError) as error:
            raise TryLater(f"the webhook could not be reached ({type(error).__name__})", str(error)) from error
        if (failure := _failure(status, after)) is not None:
            raise failure

    async def _post(self, url: httpx2.URL, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        """The answer's status and Retry-After."""
        *others, last = await self._addresses(url)
        for address in others:
            try:
                return await self._post_to(address, url, headers, body)
            except httpx2.ConnectError:
                continue
        return await self._post_to(last, url, headers, body)

    async def _addresses(self, url: httpx2.URL) -> Sequence[str]:
        addresses = await self._resolve(url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80))
        if not self._allow_private and not all(map(is_public, addresses)):
            raise Undeliverable(
                "the webhook's address is not public: set PLACET_WEBHOOK_ALLOW_PRIVATE=true to allow such addresses"
            )
        return addresses

    async def _post_to(
        self, address: str, url: httpx2.URL, headers: dict[str, str], body: bytes
    ) -> tuple[int, str | None]:
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            headers={**headers, "host": url.netloc.decode()},
            content=body,
            extensions={"sni_hostname": url.raw_host.decode()},  # the certificate must be the name's
        )
        response = await self._client.send(request, stream=True)
        try:
            await _drain(response)
        finally:
            await response.aclose()
        return response.status_code, response.headers.get("retry-after")

    def _signature(self, id: UUID, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "webhook-id": str(id),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(str(id), now, body.decode()),
        }


@asynccontextmanager
async def connect(
    secret: str,
    *,
    allow_private: bool,
    public_url: str,
    send_timeout: float,
    tls: SSLContext | bool = True,
    resolve: Resolve = resolve,
) -> AsyncIterator[Poster]:
    """A poster. Connections are not kept: they are known by address, and names that share one must not share them."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    async with httpx2.AsyncClient(
        verify=tls, trust_env=False, follow_redirects=False, limits=limits, timeout=send_timeout
    ) as client:
        yield Poster(
            client,
            secret,
            allow_private=allow_private,
            public_url=public_url,
            send_timeout=send_timeout,
            resolve=resolve,
        )


def render(delivery: Delivery, public_url: str) -> bytes:
    """A CloudEvent in JSON, the same at each try."""
    notice = delivery.notice
    message = shorten(notice.message, _MESSAGE) if notice.message is not None else None
    context = notice.context if len(to_json(notice.context)) <= _CONTEXT else None
    event = ApprovalOpened if notice.approval_id is not None else NotificationRequested
    facts = notice.model_dump(mode="json", by_alias=True, exclude={"message", "context"}, exclude_none=True)
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(delivery.id),
        "source": source("notifier"),
        "type": event.type,
        "time": delivery.created_at,
        "datacontenttype": "application/json",
        "data": {
            **facts,
            "message": message,
            "context": context,
            "shortened": message != notice.message or context != notice.context,
            "url": link(notice, public_url),
        },
    }
    return to_json(envelope)


def is_public(address: str) -> bool:
    """Whether an address is on the public internet, also when it stands in another one."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return ip in _GLOBAL_UNICAST and ip.is_global and ip.sixtofour is None
        ip = ip.ipv4_mapped
    assert isinstance(ip, IPv4Address)
    return ip.is_global and not ip.is_multicast


def signer(secret: str) -> Signer:
    """What signs with a secret of Standard Webhooks.

    Raises:
        ValueError: it is none.
    """
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith("whsec_") or len(key) < _KEY:
        raise ValueError(f"not whsec_ and the base64 of {_KEY} bytes or more")
    return Signer(key)


async def _drain(response: httpx2.Response) -> None:
    """Let a modest answer end; a long one is cut off."""
    read = 0
    async for part in response.aiter_raw():
        read += len(part)
        if read > _RESPONSE:
            return


def _failure(status: int, after: str | None) -> SendFailed | None:
    if 200 <= status < 300:
        return None
    reason = f"the webhook answered HTTP {status}"
    if status in _TRY_AGAIN or status >= 500:
        return TryLater(reason, after=retry_after(after, datetime.now(UTC)))
    return Undeliverable(f"{reason}; redirects are not followed" if 300 <= status < 400 else reason)
