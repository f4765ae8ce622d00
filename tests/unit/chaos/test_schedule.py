"""A schedule of faults comes from its seed alone, and has each kind in it."""

from collections import Counter

from chaos.faults import KINDS
from chaos.schedule import plan


def test_same_seed_same_faults() -> None:
    """A seed replays: the same faults at the same moments, with the same dice."""
    assert plan(7, 105, KINDS) == plan(7, 105, KINDS)


def test_another_seed_other_faults() -> None:
    """Seeds differ."""
    assert plan(7, 105, KINDS) != plan(8, 105, KINDS)


def test_each_kind_comes() -> None:
    """The shortest run has every kind of fault in it, whatever the seed, and the broker is wiped."""
    for seed in range(50):
        planned = plan(seed, 40, KINDS)

        assert {each.kind for each in planned} == KINDS.keys()
        assert next(each.variant for each in planned if each.kind == "broker") == "wipe"
        assert next(each.target for each in planned if each.kind == "stop").startswith("executor")


def test_in_time() -> None:
    """Faults come one after the other, and all begin within their time."""
    times = [each.at for each in plan(1, 105, KINDS)]

    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] < 105


def test_by_weight() -> None:
    """In the long run each kind comes as often as its weight says, and every variant at every target."""
    planned = plan(1, 36_000, KINDS)
    share = Counter(each.kind for each in planned)

    for name, kind in KINDS.items():
        assert abs(share[name] / len(planned) - kind.weight / 100) < 0.02
        assert {each.variant for each in planned if each.kind == name} == set(kind.variants)
        assert {each.target for each in planned if each.kind == name} == set(kind.targets)


def test_weights_are_percent() -> None:
    """The weights are shares of a hundred."""
    assert sum(kind.weight for kind in KINDS.values()) == 100
