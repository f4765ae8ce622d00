"""The check sees histories that no register written once could have."""

import pytest
from chaos.history import PENDING, Operation, State
from chaos.linearizability import linearizable

ANA: State = ("approved", "key:ana")
BO: State = ("rejected", "key:bo")


def decide(called: float, returned: float | None, wanted: State, seen: State | None) -> Operation:
    return Operation("decide", called, returned, wanted, seen)


def get(called: float, returned: float | None, seen: State | None) -> Operation:
    return Operation("get", called, returned, None, seen)


LINEARIZABLE = {
    "nothing happened": [],
    "read before, decided, read after": [get(0, 1, PENDING), decide(2, 3, ANA, ANA), get(4, 5, ANA)],
    "the loser of a race is told who won": [decide(0, 3, ANA, ANA), decide(1, 4, BO, ANA)],
    "the first to call may lose": [decide(0, 9, ANA, BO), decide(1, 4, BO, BO)],
    "a repeat of one's own decision": [decide(0, 1, ANA, ANA), decide(2, 3, ANA, ANA)],
    "reads during a decision see either": [decide(0, 9, ANA, ANA), get(1, 2, PENDING), get(3, 4, ANA)],
    "a lost answer's decision took effect": [decide(0, None, ANA, None), get(5, 6, ANA)],
    "a lost answer's decision took no effect": [decide(0, None, ANA, None), get(5, 6, PENDING)],
    "a lost answer's decision takes effect late": [
        decide(0, None, ANA, None),
        get(5, 6, PENDING),
        decide(7, 8, BO, ANA),
    ],
    "a lost answer and its repeat": [decide(0, None, ANA, None), decide(5, 6, ANA, ANA), get(7, 8, ANA)],
}

NOT_LINEARIZABLE = {
    "two winners": [decide(0, 3, ANA, ANA), decide(1, 4, BO, BO)],
    "two winners, one after the other": [decide(0, 1, ANA, ANA), decide(2, 3, BO, BO)],
    "a stale read": [decide(0, 1, ANA, ANA), get(2, 3, PENDING)],
    "time runs backwards for readers": [decide(0, 9, ANA, ANA), get(1, 2, ANA), get(3, 4, PENDING)],
    "two readers differ on who won": [
        decide(0, None, ANA, None),
        decide(0, None, BO, None),
        get(5, 6, ANA),
        get(5, 6, BO),
    ],
    "a decision from nowhere": [get(0, 1, ANA)],
    "seen before it was called": [get(0, 1, ANA), decide(2, 3, ANA, ANA)],
    "a loser is told of one who came later": [decide(0, 1, ANA, BO), decide(2, 3, BO, BO)],
    "an acknowledged decision is gone": [decide(0, 1, ANA, ANA), decide(2, 3, BO, BO), get(4, 5, BO)],
    "a lost answer's decision comes twice": [
        decide(0, None, ANA, None),
        get(1, 2, ANA),
        get(3, 4, PENDING),
    ],
}


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_passes(name: str) -> None:
    """What a register written once can answer is accepted."""
    assert linearizable(LINEARIZABLE[name])


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_fails(name: str) -> None:
    """What it cannot answer is found, whatever the order in which it was written down."""
    assert not linearizable(NOT_LINEARIZABLE[name])
    assert not linearizable(NOT_LINEARIZABLE[name][::-1])


def test_many_at_once() -> None:
    """A contest of many, most of whose answers were lost, is judged in no time."""
    lost = [decide(n, None, ("approved", f"key:{n}"), None) for n in range(12)]
    reads = [get(20 + n, 30 + n, ("approved", "key:7")) for n in range(12)]

    assert linearizable([*lost, *reads])
    assert not linearizable([*lost, *reads, get(50, 51, ("approved", "key:8"))])
