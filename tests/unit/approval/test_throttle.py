"""How many attempts may fail, and whom that concerns."""

from contextlib import suppress

import pytest

from placet_approval.api.throttle import Throttle
from placet_approval.identity import TooManyFailures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(throttle: Throttle, address: str, *credentials: str) -> None:
    for credential in credentials:
        throttle.check(credential, address)
        throttle.failed(credential, address)


def test_an_address_waits_until_its_minute_is_over() -> None:
    """And is told how long."""
    clock = Clock()
    throttle = Throttle(2, clock)
    fail(throttle, "192.0.2.1", "a")
    clock.now += 20.5
    fail(throttle, "192.0.2.1", "b")

    with pytest.raises(TooManyFailures) as refused:
        throttle.check("c", "192.0.2.1")
    assert refused.value.seconds == 40
    throttle.check("c", "192.0.2.2")
    clock.now += 39.5
    throttle.check("c", "192.0.2.1")


def test_a_wrong_credential_is_limited_wherever_it_comes_from() -> None:
    """A revoked key in many places is not looked up for ever."""
    throttle = Throttle(12, Clock())
    fail(throttle, "192.0.2.1", "revoked")
    fail(throttle, "192.0.2.2", "revoked")

    with pytest.raises(TooManyFailures):
        throttle.check("revoked", "192.0.2.3")


def test_one_wrong_credential_does_not_use_up_what_its_address_may() -> None:
    """A program that goes on with a revoked key does not keep others out."""
    throttle = Throttle(12, Clock())
    for _ in range(100):
        with suppress(TooManyFailures):
            fail(throttle, "192.0.2.1", "revoked")

    throttle.check("new", "192.0.2.1")


def test_what_has_no_address_is_limited_by_itself() -> None:
    """As are sessions that have ended."""
    throttle = Throttle(6, Clock())
    throttle.failed("ended", None)

    with pytest.raises(TooManyFailures):
        throttle.check("ended", None)
    throttle.check("other", None)


def test_one_customers_ipv6_network_is_one_address() -> None:
    """Which has more addresses than anybody could count."""
    throttle = Throttle(2, Clock())
    fail(throttle, "2001:db8::1", "a")
    fail(throttle, "2001:db8::2:2", "b")

    with pytest.raises(TooManyFailures):
        throttle.check("c", "2001:db8::3")
    throttle.check("c", "2001:db8:0:1::1")


def test_what_was_right_is_not_shut_out_by_others() -> None:
    """Behind one address may be many people; until it is wrong itself."""
    throttle = Throttle(1, Clock())
    throttle.succeeded("good")
    fail(throttle, "192.0.2.1", "bad")

    throttle.check("good", "192.0.2.1")
    throttle.failed("good", "192.0.2.1")
    with pytest.raises(TooManyFailures):
        throttle.check("good", "192.0.2.1")


def test_it_takes_no_more_than_so_much_memory() -> None:
    """The oldest addresses and credentials are forgotten."""
    throttle = Throttle(1, Clock())
    for n in range(20_000):
        throttle.failed(str(n), f"host-{n}")
        throttle.succeeded(f"good-{n}")

    assert len(throttle._failures) <= 10_000
    assert len(throttle._good) <= 10_000
    throttle.check("new", "host-0")
