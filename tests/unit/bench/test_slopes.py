"""What grows is told from what only moves."""

import random

from bench.soak.slopes import slope


def test_a_leak_is_seen_through_noise() -> None:
    """A fifth more over the time that was measured, and as much noise."""
    dice = random.Random(7)
    line = slope([(float(at), 1000 + at + dice.gauss(0, 40)) for at in range(200)])

    assert line.grows(100)
    assert not line.grows(1000)
    assert 3000 < line.per_hour < 4200


def test_a_saw_tooth_is_flat() -> None:
    """What is swept again and again does not grow."""
    assert not slope([(float(at), 1000 + 20 * (at % 25)) for at in range(300)]).grows(0)


def test_noise_is_flat() -> None:
    """Whatever the dice say."""
    for seed in range(20):
        dice = random.Random(seed)
        assert not slope([(float(at), dice.gauss(1000, 200)) for at in range(100)]).grows(0)


def test_what_falls_or_stands_does_not_grow() -> None:
    """Nor does what is always nothing."""
    assert not slope([(float(at), 1000.0 - at) for at in range(100)]).grows(0)
    assert not slope([(float(at), 7.0) for at in range(100)]).grows(0)
    assert not slope([(float(at), 0.0) for at in range(100)]).grows(0)


def test_a_little_is_no_growth() -> None:
    """A twentieth over all, however sure: caches fill."""
    assert not slope([(float(at), 1000 + 0.25 * at) for at in range(200)]).grows(0)
