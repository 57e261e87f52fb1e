"""Whether a day is one of a set of days, as one expression whatever their number: the days come as a parameter that the
database takes apart once a statement."""

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, cast, false, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from domain.calendar import DayRanges


class MembersOf(FunctionElement[Any]):
    """The members of a JSON list, one row each, in the column `value`."""

    inherit_cache = True


@compiles(MembersOf, "sqlite")
def _on_sqlite(element: MembersOf, compiler: Any, **more: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **more)})"


@compiles(MembersOf, "postgresql")
def _on_postgresql(element: MembersOf, compiler: Any, **more: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **more)} AS json))"


def among(day: ColumnElement[int], ranges: DayRanges) -> ColumnElement[bool]:
    """Whether the day number lies in one of the ranges."""
    if not ranges:
        return false()
    listed = MembersOf(literal(_listed(ranges), Text)).table_valued("value")
    return day.in_(select(cast(listed.c.value, BigInteger)))


@lru_cache(maxsize=8)
def _listed(ranges: DayRanges) -> str:
    """Every day of the ranges as JSON."""
    return json.dumps([day for low, high in ranges for day in range(low, high + 1)], separators=(",", ":"))
