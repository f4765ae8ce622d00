"""Whether a series of samples grows: a line through them, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

_SURE = 3.0  # standard errors
_TOLERANCE = 0.1  # of the level, over all that was measured: less is neither seen nor meant


@dataclass(frozen=True)
class Slope:
    """A line through samples."""

    level: float  # their mean
    per_hour: float
    growth: float  # over all that was measured, as a share of the level
    certainty: float  # the slope in standard errors

    def grows(self, least: float) -> bool:
        """Whether that is sure, and more than a little: ``least`` is the smallest growth that counts."""
        return self.certainty > _SURE and self.growth > _TOLERANCE and self.growth * self.level > least


def slope(samples: Sequence[tuple[float, float]]) -> Slope:
    """The least-squares line through (seconds, value)."""
    count = len(samples)
    middle = sum(at for at, _ in samples) / count
    level = sum(value for _, value in samples) / count
    spread = sum((at - middle) ** 2 for at, _ in samples)
    rise = sum((at - middle) * (value - level) for at, value in samples) / spread
    rest = sum((value - level - rise * (at - middle)) ** 2 for at, value in samples)
    error = sqrt(rest / max(count - 2, 1) / spread)
    lasted = samples[-1][0] - samples[0][0]
    return Slope(
        level=level,
        per_hour=3600 * rise,
        growth=rise * lasted / level if level else 0.0,
        certainty=rise / error if error else (inf if rise > 0 else 0.0),
    )
