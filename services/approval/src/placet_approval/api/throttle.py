"""How many attempts to be somebody may fail. In memory, bounded, each replica for itself."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from time import monotonic

from placet_approval.identity import TooManyFailures

_WINDOW = 60.0  # seconds
_REMEMBERED = 10_000  # of addresses and credentials; the oldest are forgotten


class Throttle:
    """Counts failures of each address, and of each credential from wherever it comes; fewer of the latter are borne.

    So one program that goes on with a key of before does not use up what its address may. A credential that was right
    lately is looked at whatever its address did: behind one address may be many people.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = monotonic) -> None:
        self._limit = limit
        self._limit_of_one = max(1, limit // 6)
        self._clock = clock
        self._failures: OrderedDict[object, tuple[float, int]] = OrderedDict()  # since when, how many
        self._good: OrderedDict[int, None] = OrderedDict()

    def check(self, credential: str, address: str | None) -> None:
        """Look whether an attempt may be made; without an address, only whether with this credential.

        Raises:
            TooManyFailures: it may not, for now.
        """
        if hash(credential) in self._good:
            return
        for bucket, limit in self._buckets(credential, address):
            since, count = self._failures.get(bucket, (0.0, 0))
            if count >= limit and (left := since + _WINDOW - self._clock()) > 0:
                raise TooManyFailures(ceil(left))

    def failed(self, credential: str, address: str | None) -> None:
        """An attempt has failed."""
        self._good.pop(hash(credential), None)
        for bucket, _ in self._buckets(credential, address):
            since, count = self._failures.pop(bucket, (self._clock(), 0))
            if self._clock() - since >= _WINDOW:
                since, count = self._clock(), 0
            self._failures[bucket] = (since, count + 1)
            _bound(self._failures)

    def _buckets(self, credential: str, address: str | None) -> list[tuple[object, int]]:
        of_one: list[tuple[object, int]] = [(hash(credential), self._limit_of_one)]
        return of_one if address is None else [*of_one, (_network(address), self._limit)]

    def succeeded(self, credential: str) -> None:
        """An attempt was right."""
        if hash(credential) not in self._good:
            self._good[hash(credential)] = None
            _bound(self._good)


def _network(address: str) -> str:
    """The address, or of IPv6 the network of one customer."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False)) if found.version == 6 else address


def _bound(entries: OrderedDict[object, tuple[float, int]] | OrderedDict[int, None]) -> None:
    if len(entries) > _REMEMBERED:
        entries.popitem(last=False)
