"""A crowd that starts runs at a rate, and does not wait when it is asked to: in a process of its own."""

import argparse
import asyncio
import json
from collections import Counter
from pathlib import Path
from time import monotonic

import uvloop
from pydantic_core import to_json

from bench.driver import INPUT, percentile
from bench.http import ConnectionLost, client


async def flood(url: str, key: str, rate: float, seconds: float, crowd: int, ledger: Path) -> dict[str, object]:
    """Send starts when they are due, as far as one of the crowd is free; note those that were acknowledged."""
    answers: Counter[str] = Counter()
    took: list[float] = []
    began, sent = monotonic(), 0
    with ledger.open("w") as acknowledged:
        async with client(url, {"Authorization": f"Bearer {key}"}) as http:

            async def one() -> None:
                nonlocal sent
                while (moment := sent / rate) < seconds and monotonic() - began < seconds:
                    sent += 1
                    run_id = f"flood-{sent}"
                    if (wait := began + moment - monotonic()) > 0:
                        await asyncio.sleep(wait)
                    body = to_json({"workflow": "bench", "runId": run_id, "input": INPUT})
                    asked = monotonic()
                    try:
                        status, _ = await http.request("POST", "/v1/runs", body)
                    except (ConnectionLost, OSError) as error:
                        answers[type(error).__name__] += 1
                        await asyncio.sleep(0.1)
                        continue
                    answers[str(status)] += 1
                    if status == 202:
                        took.append(1000 * (monotonic() - asked))
                        acknowledged.write(run_id + "\n")

            async with asyncio.TaskGroup() as lanes:
                for _ in range(crowd):
                    lanes.create_task(one())
    took = took or [0.0]
    return {
        "sent_per_second": sent / (monotonic() - began),
        "answers": dict(answers),
        "acknowledged_ms": {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("url", "key"):
        parser.add_argument(name)
    for name in ("rate", "seconds"):
        parser.add_argument(name, type=float)
    parser.add_argument("crowd", type=int)
    parser.add_argument("ledger", type=Path)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(flood(**vars(parser.parse_args())))))
