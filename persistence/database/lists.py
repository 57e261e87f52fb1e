"""Lists as JSON, on SQLite and on PostgreSQL: numbers and days that are given to a statement, which is the same however
many they are, and the short lists of many keys that one statement reads.
"""

import asyncio
import json
from collections import namedtuple
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Select,
    Text,
    cast,
    false,
    literal,
    literal_column,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from domain.calendar import DayRanges


class MembersOf(FunctionElement[Any]):
    """The members of a JSON list, one row each, in the column `value`."""

    inherit_cache = True


@compiles(MembersOf, "sqlite")
def _compile_members_of_sqlite(element: MembersOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


@compiles(MembersOf)
def _compile_members_of(element: MembersOf, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **kw)} AS json))"


class GatheredRows(FunctionElement[str]):
    """The given columns of all rows as the text of one JSON list, in which each row is a list; null of no row on
    PostgreSQL, an empty list on SQLite."""

    inherit_cache = True
    type = Text()


@compiles(GatheredRows, "sqlite")
def _compile_gathered_rows_sqlite(element: GatheredRows, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_array(json_array({compiler.process(element.clauses, **kw)}))"


@compiles(GatheredRows)
def _compile_gathered_rows(element: GatheredRows, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(json_agg(json_build_array({compiler.process(element.clauses, **kw)})) AS text)"


class GatheredColumn(FunctionElement[str]):
    """The values of a column of all rows as the text of one JSON list, null of no row on PostgreSQL. Lists of several
    columns of a SELECT have the same order."""

    inherit_cache = True
    type = Text()


@compiles(GatheredColumn, "sqlite")
def _compile_gathered_column_sqlite(element: GatheredColumn, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **kw)})"


@compiles(GatheredColumn)
def _compile_gathered_column(element: GatheredColumn, compiler: SQLCompiler, **kw: Any) -> str:
    return f"CAST(json_agg({compiler.process(element.clauses, **kw)}) AS text)"


class PartOf(FunctionElement[str]):
    """(a JSON list as text, n): its nth text, counted from 0; of a number, on PostgreSQL, the text that it is."""

    inherit_cache = True
    type = Text()


@compiles(PartOf, "sqlite")
def _compile_part_of_sqlite(element: PartOf, compiler: SQLCompiler, **kw: Any) -> str:
    listed, place = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"json_extract({listed}, '$[' || {place} || ']')"


@compiles(PartOf)
def _compile_part_of(element: PartOf, compiler: SQLCompiler, **kw: Any) -> str:
    listed, place = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(CAST({listed} AS json) ->> {place})"


def select_part(listed: ColumnElement[Any], place: int, kind: type) -> ColumnElement[Any]:
    """The nth of a JSON list, counted from 0: a text, or a whole number."""
    part = PartOf(listed, literal_column(str(place)))
    return part if kind is str else cast(part, BigInteger)


PIECE_SECONDS = 0.002
"""How long rows are read from text before the event loop looks after others."""
Form = TypeVar("Form", bound=Hashable)
Values = tuple[int | str | None, ...]
Columns = Sequence[Any]
"""A ColumnElement[int] or ColumnElement[str] for each value, None where it is missing."""
COLUMN_TYPES: dict[type, type[TypeEngine[Any]]] = {int: BigInteger, str: Text}


async def gather_lists(
    connection: AsyncConnection,
    keys: Sequence[tuple[Form, Values]],
    select_list: Callable[[Form, Columns], Sequence[Select[Any]]],
) -> list[list[Any]]:
    """The rows of a short list for each of the keys, in any order. A key is a form and whole numbers or texts, of which
    some may be missing; of them `select_list` makes the list, in one part or several of the same columns. Keys alike in
    form, in types and in what is missing, in practice all, are read by one statement, which is the same however many
    they are."""
    alike: dict[tuple[Form, tuple[type | None, ...]], dict[Values, None]] = {}
    for form, values in keys:
        kinds = tuple(None if value is None else type(value) for value in values)
        alike.setdefault((form, kinds), {})[values] = None
    found: dict[tuple[Form, Values], list[Any]] = {}
    for (form, kinds), listed in alike.items():
        # As text: a column of the table would bring the table into the inner statement.
        columns = [
            None if kind is None else literal_column(f"keys.part_{place}", COLUMN_TYPES[kind])
            for place, kind in enumerate(kinds)
        ]
        parts = [part.subquery(f"list_{place}").c for place, part in enumerate(select_list(form, columns))]
        make_row = _make_row_type(tuple(parts[0].keys()))
        began = perf_counter()
        for row in await connection.execute(_select_gathered(list(listed), kinds, parts)):
            if perf_counter() - began > PIECE_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()
            texts = row[len(kinds) :]
            found[form, tuple(row[: len(kinds)])] = [make_row(*values) for text in texts for values in _read_rows(text)]
    return [found[key] for key in keys]


def _select_gathered(
    keys: Sequence[Values], kinds: Sequence[type | None], parts: Sequence[ReadOnlyColumnCollection[str, Any]]
) -> Select[Any]:
    """The values of each key, and what each part has for it as a text."""
    listed = MembersOf(literal(json.dumps(keys), Text)).table_valued("value")
    values = [select_part(listed.c.value, place, kind or int) for place, kind in enumerate(kinds)]
    named = select(*(value.label(f"part_{place}") for place, value in enumerate(values))).subquery("keys")
    return select(*named.c, *(select(GatheredRows(*part)).scalar_subquery() for part in parts))


def _read_rows(text: str | None) -> list[list[Any]]:
    rows: list[list[Any]] = json.loads(text or "[]")
    return rows


@lru_cache(maxsize=32)
def _make_row_type(names: tuple[str, ...]) -> type[tuple[Any, ...]]:
    return namedtuple("Row", names)


def is_among(day: ColumnElement[int], ranges: DayRanges) -> ColumnElement[bool]:
    """Whether the day number lies in one of the ranges."""
    return Among(day, literal(_days_as_json(ranges), Text)) if ranges else false()


class Among(FunctionElement[bool]):
    """(a whole number, a JSON list of such as a text): whether the list holds it. Engines that read columns get the
    numbers themselves: many refuse a subquery here, and all of them look a list up quickly."""

    inherit_cache = True
    type = Boolean()


@compiles(Among)
def _compile_among(element: Among, compiler: SQLCompiler, **kw: Any) -> str:
    number, listed = element.clauses
    members = MembersOf(listed).table_valued("value")
    return compiler.process(number.in_(select(cast(members.c.value, BigInteger))), **kw)


@compiles(Among, "copy")
@compiles(Among, "spark")
def _compile_among_numbers(element: Among, compiler: SQLCompiler, **kw: Any) -> str:
    number, listed = element.clauses
    numbers = json.loads(listed.effective_value)
    return f"{compiler.process(number, **kw)} IN ({', '.join(map(str, numbers))})"


def select_numbers(numbers: Sequence[int]) -> Select[int]:
    """The numbers, one row each: a set for IN whose statement does not grow with it."""
    return _select_listed(json.dumps(list(numbers)))


def _select_listed(text: str) -> Select[int]:
    listed = MembersOf(literal(text, Text)).table_valued("value")
    return select(cast(listed.c.value, BigInteger))


@lru_cache(maxsize=8)
def _days_as_json(ranges: DayRanges) -> str:
    """Every day of the ranges as JSON."""
    return json.dumps([day for low, high in ranges for day in range(low, high + 1)], separators=(",", ":"))
