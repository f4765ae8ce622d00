"""``make chaos-cluster``: a node of RabbitMQ's cluster, or Postgres' primary, goes down under load; nothing is lost.

A cluster of three in network namespaces of its own, and a primary with a synchronous standby. Services reach all of
them by lists of hosts. Needs Linux, root and iproute2.
"""

import sys
from pathlib import Path

from chaos.cluster.faults import GAP, KINDS, SPARED, Cluster
from chaos.command import play
from chaos.run import Options

_MINUTES = 7.0


def _options(seed: int, folder: Path, seconds: float) -> Options:
    cluster = Cluster()
    return Options(
        seed,
        folder,
        faults=seconds,
        kinds=KINDS,
        servers=cluster.servers,
        inject=cluster.inject,
        heal=cluster.heal,
        gap=GAP,
        spared=SPARED,
    )


if __name__ == "__main__":
    sys.exit(play("chaos-cluster", __doc__, _MINUTES, _options))
