"""Festive periods: ranges of month and day that come every year and may wrap the new year, and dated ranges; both ends
belong to them. In settings each is an object with `from` and `to`, either both MM-DD or both YYYY-MM-DD."""

import re
from calendar import isleap, monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

MonthDay = tuple[int, int]
MOST = 200
YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})")
DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FORM = 'must have from and to, either both MM-DD such as "12-24" or both dates such as "2025-03-30"'


@dataclass(frozen=True, slots=True)
class FestivePeriods:
    """Ranges of month and day, both ends included, which may wrap the new year; and dated ranges."""

    yearly: tuple[tuple[MonthDay, MonthDay], ...] = (((4, 1), (4, 20)), ((12, 1), (12, 31)))
    dated: tuple[tuple[date, date], ...] = ()

    def find_day_ranges(self, first: int, last: int) -> list[tuple[int, int]]:
        """Merged inclusive ranges of day numbers inside the span."""
        ranges: list[tuple[int, int]] = [(low.toordinal(), high.toordinal()) for low, high in self.dated]
        begin, end = (date.fromordinal(min(max(day, 1), date.max.toordinal())) for day in (first, last))
        for year in range(begin.year - 1, end.year + 1):
            for low, high in self.yearly:
                closing = year if low <= high else year + 1
                if closing >= 1:
                    ranges.append(
                        (
                            _find_first_day(year, *low),
                            date.max.toordinal() if closing > 9999 else _to_day_number(closing, *high),
                        )
                    )
        merged: list[tuple[int, int]] = []
        for low_day, high_day in sorted((max(low, first), min(high, last)) for low, high in ranges):
            if low_day > high_day:
                continue
            if merged and low_day <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high_day))
            else:
                merged.append((low_day, high_day))
        return merged

    def as_json(self) -> list[dict[str, str]]:
        """As settings state them."""
        yearly = [tuple(f"{month:02}-{day:02}" for month, day in ends) for ends in self.yearly]
        dated = [(low.isoformat(), high.isoformat()) for low, high in self.dated]
        return [{"from": low, "to": high} for low, high in (*yearly, *dated)]


def read_periods(value: object) -> FestivePeriods:
    """The periods that a setting states; ValueError says which ones are wrong and what would be right."""
    if not isinstance(value, list | tuple):
        raise ValueError('must be a list such as [{from = "12-24", to = "01-06"}]')
    if len(value) > MOST:
        raise ValueError(f"must hold at most {MOST} periods")
    yearly: dict[tuple[MonthDay, MonthDay], None] = {}
    dated: dict[tuple[date, date], None] = {}
    faults: dict[str, list[int]] = {}
    for place, item in enumerate(value, 1):
        if not isinstance(item, Mapping) or set(item) != {"from", "to"}:
            faults.setdefault(FORM, []).append(place)
            continue
        low, high = _read_end(item["from"]), _read_end(item["to"])
        if isinstance(low, tuple) and isinstance(high, tuple):
            yearly[low, high] = None
        elif isinstance(low, date) and isinstance(high, date):
            dated[low, high] = None
            if low > high:
                faults.setdefault("must not have a `to` before its `from`", []).append(place)
        else:
            missing = [end for end in item.values() if _read_end(end) is None and _is_written(end)]
            faults.setdefault(f"must have days that exist, unlike {missing[0]}" if missing else FORM, []).append(place)
    if faults:
        raise ValueError("; ".join(f"{fault} (period {', '.join(map(str, at))})" for fault, at in faults.items()))
    return FestivePeriods(tuple(sorted(yearly)), tuple(sorted(dated)))


def _read_end(value: object) -> MonthDay | date | None:
    if isinstance(value, date):
        return None if isinstance(value, datetime) else value
    if not isinstance(value, str):
        return None
    match = YEARLY.fullmatch(value)
    try:
        if match is not None:
            # A leap year, so that 29 February can be an end.
            day = date(2024, int(match[1]), int(match[2]))
            return day.month, day.day
        return date.fromisoformat(value) if DATED.fullmatch(value) else None
    except ValueError:
        return None


def _is_written(value: object) -> bool:
    """Whether it has the form of a day, though there may be no such day."""
    return isinstance(value, str) and (YEARLY.fullmatch(value) or DATED.fullmatch(value)) is not None


def _find_first_day(year: int, month: int, day: int) -> int:
    # A range that begins on 29 February begins on 1 March in other years; one that ends on it ends on the 28th.
    if year < 1:
        return 1
    return (
        _to_day_number(year, 3, 1) if (month, day) == (2, 29) and not isleap(year) else _to_day_number(year, month, day)
    )


def _to_day_number(year: int, month: int, day: int) -> int:
    return date(year, month, min(day, monthrange(year, month)[1])).toordinal()
