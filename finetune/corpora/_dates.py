"""Dates whose numbers may stand in any order, as `3/4/23`: which is the day is told by all dates of a file together.

The year is first where a date begins with a number above 31. A second number above 12 is a day, and so is a first one.
Where there is none, the order is the one in which the messages go back in time less often. Knows no format.
"""

from typing import TypeAlias

Date: TypeAlias = tuple[int, int, int]
"""Three numbers as they stand in the file."""

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "dmy", "mdy", "ymd"


class DateOrder:
    """What the dates seen so far say about their order."""

    def __init__(self) -> None:
        self._above_12 = {DAY_FIRST: 0, MONTH_FIRST: 0}
        self._steps_back = {DAY_FIRST: 0, MONTH_FIRST: 0}
        self._years_first = 0
        self._last: Date | None = None

    def see(self, date: Date) -> None:
        """Takes the next date of the file in."""
        first, second, _ = date
        if first > 31:
            self._years_first += 1
            return
        self._above_12[DAY_FIRST] += first > 12 >= second
        self._above_12[MONTH_FIRST] += second > 12 >= first
        if self._last and date != self._last:
            for order, steps in self._steps_back.items():
                self._steps_back[order] = steps + (ordered(date, order) < ordered(self._last, order))
        self._last = date

    @property
    def is_open(self) -> bool:
        """Whether nothing tells day and month apart, although there are such dates."""
        return self._last is not None and not self._verdict()

    def likeliest(self, *, month_first: bool) -> str:
        """The order; `month_first` decides where nothing else does."""
        if self._last is None and self._years_first:
            return YEAR_FIRST
        return self._verdict() or (MONTH_FIRST if month_first else DAY_FIRST)

    def _verdict(self) -> str:
        for day, month in (
            (self._above_12[DAY_FIRST], self._above_12[MONTH_FIRST]),
            (self._steps_back[MONTH_FIRST], self._steps_back[DAY_FIRST]),
        ):
            if day != month:
                return DAY_FIRST if day > month else MONTH_FIRST
        return ""


def ordered(date: Date, order: str) -> Date:
    """Year, month and day; a date that begins with its year is taken as such whatever the order."""
    first, second, third = date
    if first > 31 or order == YEAR_FIRST:
        return _full(first), second, third
    return (_full(third), second, first) if order == DAY_FIRST else (_full(third), first, second)


def _full(year: int) -> int:
    return year + 2000 if year < 100 else year
