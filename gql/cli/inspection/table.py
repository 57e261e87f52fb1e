"""An inspection as a person reads it: one table of what is in the file and what is proposed, what is doubtful with its
choices, and the command, or the format, that imports it so."""

from collections.abc import Iterator, Mapping
from typing import Any

import tomlkit
import typer

from domain.errors import name_fields, to_option_name
from domain.imports.columns import count_noun
from domain.imports.formats import SourceFormat
from domain.imports.inspection.inspection import Inspection, build_command
from domain.money import find_exponent, to_decimal
from gql.cli.actions.terminal import Fit, find_width, lay_out, wrap_prose
from gql.cli.output import clean_line

MOST_STATUSES = 20


def print_inspection(one: Inspection, file: str) -> None:
    """All of it as one table, then what is doubtful, and the command."""
    for line in write_inspection(one, file, find_width()):
        typer.echo(line)


def write_inspection(one: Inspection, file: str, width: int | None) -> Iterator[str]:
    """The lines of it, of at most `width` cells but for what is to be copied."""
    yield clean_line(one.facts.name)
    yield from lay_out(dict.fromkeys(("part", "as it is", "proposed"), Fit.PROSE), list(list_lines(one)), width)
    for doubt in one.doubts:
        yield from wrap_prose(f"Doubtful: {name_fields(doubt.question, to_option_name)}", width)
        for place, choice in enumerate(doubt.choices):
            taken = " (proposed)" if place == doubt.default else ""
            yield from wrap_prose(f"  {place + 1} {choice.words}{taken}", width)
    for finding in one.list_findings(to_option_name):
        yield from wrap_prose(f"Note: {finding}", width)
    if one.assumed:
        shown = ", ".join(map(to_option_name, one.assumed))
        yield from wrap_prose(f"Note: nothing says {shown}; what the command has for it is assumed.", width)
    if one.refusal is not None:
        yield from wrap_prose(f"It cannot be imported so: {name_fields(one.refusal, to_option_name)}", width)
        return
    command = build_command(one, file)
    if command is not None:
        yield "To import it so:"
        yield f"  {clean_line(command)}"
    else:
        yield "To import it so, save this as a format:"
        yield to_toml(one.form.to_document())


def list_lines(one: Inspection) -> Iterator[tuple[str, str, str]]:
    """What is known of the file, what stands in it and what is proposed."""
    facts, settled = one.facts, one.settled
    named = {"\t": "tab", "whitespace": "white space"}
    cells = f", cells parted by {named.get(facts.delimiter, facts.delimiter)}" if facts.delimiter else ""
    yield "file", f"{facts.encoding}{cells}", ""
    yield "header", f"line {facts.header_line:,}" if facts.header_line else "none", ""
    if one.preset is not None:
        match = one.preset
        missing = f"lacks {', '.join(match.missing)}" if match.missing else "all columns that tell it"
        taken = "" if not match.fits else "refused" if match.refusal else f"preset {match.name}"
        yield "preset", f"{match.title}: {match.score:.0%}, {missing}", taken
    for column in one.columns:
        sure = "" if column.certainty in (None, "sure") else f" ({column.certainty})"
        values = " | ".join(column.values) or "empty"
        yield f"column {column.name}", values, f"{column.field}{sure}" if column.field else "left out"
    for status in one.statuses[:MOST_STATUSES]:
        word = f"{status.word or 'empty'}: {count_noun(status.count, 'row')}"
        sure = "" if status.certainty == "sure" else f" ({status.certainty})"
        yield "status", word, f"{status.status or 'rejected'}{sure}"
    if one.dates.get("values"):
        zone = settled.file_time_zone or one.business.time_zone
        read = f"{' or '.join(one.dates['forms']) or 'unread'}; without a zone as {zone}"
        yield "dates", " | ".join(one.dates["values"]), read
    yield "amounts", one.business.currency, describe_amounts(settled)
    yield "orders", describe_orders(one), settled.orders or "by their ids"
    if one.tally is not None:
        money = to_decimal(one.tally.money, find_exponent(one.business.currency))
        customers, orders = count_noun(len(one.tally.customers), "customer"), count_noun(len(one.tally.orders), "order")
        rows = f"{count_noun(one.rows, 'row')}, {one.tally.rejected:,} rejected"
        yield "result", rows, f"{customers}, {orders}, {money:,} {one.business.currency}"


def describe_amounts(form: SourceFormat) -> str:
    """How amounts are read."""
    thousands = f", {form.thousands!r} between thousands" if form.thousands else ""
    sign = f", sign {form.currency_sign}" if form.currency_sign else ""
    return f"decimals after {form.decimal or '.'}{thousands}{sign}{', rounded' if form.round else ''}"


def describe_orders(one: Inspection) -> str:
    """How orders stand in the rows."""
    if one.settled.orders is not None:
        return "no ids"
    if one.tally is None or not one.tally.orders:
        return ""
    several = one.tally.accepted > len(one.tally.orders) + len(one.tally.refunds)
    whose = {"order": ", each with the amount of its order", "line": ", each with its own amount", None: ""}
    return f"several rows each{whose[one.settled.amount]}" if several else "one row each"


def to_toml(document: Mapping[str, Any]) -> str:
    """A format as TOML; tables come last, as what follows one in a file belongs to it."""
    return tomlkit.dumps(dict(sorted(document.items(), key=lambda pair: isinstance(pair[1], Mapping))))
