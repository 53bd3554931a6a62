"""Times as chat exports write them → a moment on the clock of those who talk; what is no time is None.

Reads `2024-01-02 12:03:04`, ISO 8601, `2024年1月2日 下午9:15` and seconds or milliseconds since 1970, which are
taken as UTC. A zone is dropped: times are only compared within one file. No value of any kind or size is an error.
"""

import re
from datetime import UTC, datetime

_STAMP = re.compile(
    r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?[T\s]{0,3}"
    r"(上午|下午|凌晨|早上|中午|傍晚|晚上)?\s?([0-9]{1,2})[:：]([0-9]{2})(?:[:：]([0-9]{2}))?"
)
_NUMBER = re.compile(r"[0-9]{1,19}(?:\.[0-9]{1,9})?")
_LONGEST = 60
_MILLISECONDS, _MICROSECONDS = 1e11, 1e14
_AFTERNOON = frozenset({"下午", "傍晚", "晚上", "pm"})
_MORNING = frozenset({"上午", "凌晨", "早上", "am"})


def moment(value: object) -> datetime | None:
    """The time that a field holds."""
    if isinstance(value, str):
        text = value[:_LONGEST].strip()
        found = _STAMP.match(text)
        if found:
            year, month, day, half, hour, minute, second = found.groups()
            return clock(int(year), int(month), int(day), half or "", int(hour), int(minute), int(second or 0))
        value = float(text) if _NUMBER.fullmatch(text) else None
    return _since_1970(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def clock(year: int, month: int, day: int, half: str, hour: int, minute: int, second: int) -> datetime | None:
    """A time from its numbers; `half` is `上午`, `下午`, `am`, `pm` and the like, or ""."""
    try:
        return datetime(year, month, day, _of_24(half, hour), minute, second)
    except ValueError:
        return None


def _of_24(half: str, hour: int) -> int:
    if half in _MORNING:
        return 0 if hour == 12 else hour
    if half in _AFTERNOON or (half == "中午" and hour < 3):
        return hour + 12 if hour < 12 else hour
    return hour


def _since_1970(value: float) -> datetime | None:
    if not 0 < value < _MICROSECONDS * 1e3:
        return None
    seconds = value / (1e6 if value > _MICROSECONDS else 1e3 if value > _MILLISECONDS else 1)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (OverflowError, ValueError, OSError):
        return None
