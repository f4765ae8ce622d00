"""A run fails for what is wrong, and for what it has not shown."""

import pytest
from chaos.checks.table import CHECKS
from chaos.evidence import Injected
from chaos.faults import Effect
from chaos.report import LEAST_CYCLES_PER_SECOND, Faults, Judged, by_kind, failures, quantiles
from chaos.schedule import Planned

GOOD = Judged("I1", "nothing is lost", "starts", 10, [])
EFFECTIVE = {"kill": Faults(3, 2, {}, {})}


def injected(seen: str, recovery: float | None = 1.0) -> Injected:
    return Injected(Planned(0.0, "kill", "kill", "executor-0", ""), Effect(seen), 0.0, 1.0, recovery)


def test_passes() -> None:
    """Where everything holds, was exercised, and had an effect, under load, a run passes."""
    assert failures(EFFECTIVE, [GOOD], LEAST_CYCLES_PER_SECOND) == []


@pytest.mark.parametrize(
    ("kinds", "judged", "rate", "why"),
    [
        (EFFECTIVE, Judged("I1", "nothing is lost", "starts", 10, ["one was"]), 9, "I1: 1 times not so"),
        (EFFECTIVE, Judged("I1", "nothing is lost", "starts", 0, []), 9, "I1: never exercised"),
        ({"kill": Faults(3, 0, {}, {})}, GOOD, 9, "no fault of the kind 'kill' had an effect"),
        ({"kill": Faults(0, 0, {}, {})}, GOOD, 9, "no fault of the kind 'kill' had an effect"),
        (EFFECTIVE, GOOD, LEAST_CYCLES_PER_SECOND / 2, "the load fell below its floor"),
    ],
)
def test_fails(kinds: dict[str, Faults], judged: Judged, rate: float, why: str) -> None:
    """An invariant that does not hold or was not looked at, a fault without effect, too little load: each fails it."""
    [failure] = failures(kinds, [judged], rate)

    assert failure.startswith(why)


def test_effects_are_counted() -> None:
    """A fault that was injected and had no effect is counted as just that; one that never came, as nothing."""
    kinds = by_kind([injected("killed"), injected("")], ["kill", "stop"])

    assert (kinds["kill"].injected, kinds["kill"].effective, kinds["kill"].variants) == (2, 1, {"kill": 1})
    assert (kinds["stop"].injected, kinds["stop"].effective) == (0, 0)


def test_quantiles() -> None:
    """Of a hundred values, and of one, and of none."""
    assert quantiles([float(n) for n in range(100)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 99.0}
    assert quantiles([3.0]) == {"p50": 3.0, "p95": 3.0, "p99": 3.0, "max": 3.0}
    assert quantiles([]) == {}


def test_every_invariant_has_a_check() -> None:
    """I1 to I18 are all there, each once."""
    assert [check.id for check in CHECKS] == [f"I{n}" for n in range(1, 19)]
