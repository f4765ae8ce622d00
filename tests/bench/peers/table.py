"""The comparison as tables of Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Results = Mapping[str, Any]


def tables(results: Results) -> str:
    """What was measured, and by how much each Placet is ahead of each peer."""
    products: Mapping[str, Results] = results["products"]
    first = next(iter(products.values()))
    columns = _columns([load["in_flight"] for load in first["load"]])
    columns = [column for column in columns if column[1](first) is not None]
    lines = [
        f"{results['machine']}",
        "",
        *_table(
            ["", *(title for title, *_ in columns)],
            [[name, *(_number(figure(found)) for _, figure, _ in columns)] for name, found in products.items()],
        ),
        "",
        *(f"- {name}: {_facts(found['facts'])}" for name, found in products.items()),
    ]
    own = [name for name in products if name.startswith("placet")]
    pairs = [(mine, other) for other in products if other not in own for mine in own]
    if pairs:
        lines += [
            "",
            "How many times better Placet is (below 1, the other is):",
            "",
            *_table(
                ["", *(title for title, *_ in columns)],
                [
                    [
                        f"{mine} / {other}",
                        *(_times(figure(products[mine]), figure(products[other]), more) for _, figure, more in columns),
                    ]
                    for mine, other in pairs
                ],
            ),
        ]
    return "\n".join(lines)


_Column = tuple[str, Callable[[Results], float | None], bool]  # title, figure, whether more is better


def _columns(in_flight: Sequence[int]) -> list[_Column]:
    def rate(at: int) -> Callable[[Results], float]:
        return lambda found: float(found["load"][at]["cycles_per_second"])

    def cpu(at: int) -> Callable[[Results], float]:
        return lambda found: float(sum(found["load"][at]["cpu_ms_per_cycle"].values()))

    def latency(name: str, share: str) -> Callable[[Results], float]:
        return lambda found: float(found[f"{name}_to_entry_ms"][share])

    def paused(found: Results) -> float | None:
        kilobytes = found.get("kilobytes_per_paused_run")
        return None if kilobytes is None else float(sum(kilobytes.values()))

    return [
        *((f"cycles/s at {load}", rate(at), True) for at, load in enumerate(in_flight)),
        *((f"CPU ms at {load}", cpu(at), False) for at, load in enumerate(in_flight)),
        ("start → entered p50, ms", latency("start", "p50"), False),
        ("approve → entered p50, ms", latency("approve", "p50"), False),
        ("approve → entered p99, ms", latency("approve", "p99"), False),
        ("KB a paused run", paused, False),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return [line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]


def _facts(facts: Results) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _times(mine: float | None, other: float | None, more_is_better: bool) -> str:
    if not mine or not other or min(mine, other) <= 0:
        return ""
    return f"{mine / other if more_is_better else other / mine:.2f}"
