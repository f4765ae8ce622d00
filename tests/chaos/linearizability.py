"""Whether a history of one approval is that of a register which is written once.

The search of Wing and Gong, with Lowe's memory of where it has been: an operation may take effect at any moment between
its call and its return, one of unknown outcome at any moment after its call, or never.
"""

from collections.abc import Sequence

from chaos.history import PENDING, Operation, State


def linearizable(operations: Sequence[Operation]) -> bool:
    """Whether there is an order of effects that explains every answer."""
    # One that saw nothing and could change nothing explains nothing.
    relevant = [op for op in operations if op.returned is not None or op.wanted is not None]
    every = frozenset(range(len(relevant)))
    done = frozenset(number for number in every if relevant[number].returned is not None)
    seen: set[tuple[frozenset[int], State]] = set()
    stack: list[tuple[frozenset[int], State]] = [(frozenset(), PENDING)]
    while stack:
        place = stack.pop()
        if place in seen:
            continue
        seen.add(place)
        taken, state = place
        if done <= taken:
            return True
        left = every - taken
        # What has returned before another was called took effect before it.
        horizon = min(returned for number in left if (returned := relevant[number].returned) is not None)
        for number in left:
            operation = relevant[number]
            if operation.returned is None and state != PENDING:
                continue  # it changes nothing any more, and nobody heard of it
            if operation.called <= horizon and (after := _apply(operation, state)) is not None:
                stack.append((taken | {number}, after))
    return False


def _apply(operation: Operation, state: State) -> State | None:
    """The state after an operation that takes effect in this one; ``None`` if its answer was another."""
    after = operation.wanted if operation.wanted is not None and state == PENDING else state
    return after if operation.seen in (None, after) else None
