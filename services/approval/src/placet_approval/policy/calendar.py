"""Working hours: when some working time has passed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from placet_contracts.policies import LONGEST_TIME, Hours

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def after(start: datetime, seconds: float, hours: Hours | None) -> datetime:
    """The moment at which so many seconds have passed since ``start``, of working hours if there are any.

    Never later than `LONGEST_TIME` from the start: working hours so short that it would be are no hours to wait for.
    """
    if hours is None:
        return start + timedelta(seconds=seconds)
    zone, left = ZoneInfo(hours.time_zone), timedelta(seconds=seconds)
    last = start + timedelta(seconds=LONGEST_TIME)
    day = start.astimezone(zone).date()
    while True:
        if _is_worked(day, hours):
            opens = max(datetime.combine(day, hours.opens, zone).astimezone(UTC), start.astimezone(UTC))
            closes = datetime.combine(day, hours.closes, zone).astimezone(UTC)
            if left <= max(closes - opens, timedelta(0)):
                return min(opens + left, last)
            left -= max(closes - opens, timedelta(0))
        day += timedelta(days=1)
        if datetime.combine(day, hours.opens, zone) > last:
            return last


def _is_worked(day: date, hours: Hours) -> bool:
    return _DAYS[day.weekday()] in hours.days and day not in hours.holidays
