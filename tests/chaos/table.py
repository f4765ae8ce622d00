"""A report as people read it."""

from collections.abc import Iterator

from chaos.report import Report


def table(report: Report) -> str:
    """The whole report, in lines of at most 120 characters but for what went wrong."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"seed {report.seed}" + (f", planted: {report.planted}" if report.planted else "")
    yield ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield ", ".join(f"{name} {seconds:.0f} s" for name, seconds in report.seconds.items())
    yield ""
    yield f"{'fault':12} {'injected':>8} {'effective':>9}   recovery in s: p50    p95    p99    max"
    for name, kind in report.faults.items():
        times = "".join(f"{kind.recovery.get(q, float('nan')):7.1f}" for q in ("p50", "p95", "p99", "max"))
        yield f"{name:12} {kind.injected:8} {kind.effective:9}              {times}"
    yield ""
    for name, count in report.counts.items():
        yield f"{count:8}  {name}"
    yield ""
    yield f"{'':5} {'':65} {'exercised':>9} {'wrong':>6}"
    for each in report.invariants:
        yield f"{each.id:5} {each.holds:65} {each.exercised:9} {len(each.wrong):6}  {each.counts}"
    yield ""
    for name, (descriptors, memory) in report.growth.items():
        yield f"{name:12} {descriptors:+5} file descriptors, {memory / 1024:+7.1f} MiB"
    yield ""
    yield from report.schedule
    yield ""
    for each in report.invariants:
        yield from (f"{each.id}: {line[:2000]}" for line in each.wrong[:5])
    yield from (f"FAILED: {failure}" for failure in report.failures)
    if not report.failures:
        yield "all of it holds"
