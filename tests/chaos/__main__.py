"""``make chaos``: faults of every kind against real processes, and what must hold all the same.

The seed decides what is started, decided and broken, and when; how processes interleave is the machine's. ``SEED=``
plays it again.
"""

import sys

from chaos.command import play
from chaos.run import Options

_MINUTES = 3.0

if __name__ == "__main__":
    sys.exit(play("chaos", __doc__, _MINUTES, Options))
