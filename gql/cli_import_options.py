"""The options of every command that reads purchases: how the source is written. What is left out is as the business has
settled it, and else plain."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput

MapOption = Annotated[list[str] | None, typer.Option("--map", help="COLUMN=FIELD, repeatable.")]
DateFormatOption = Annotated[str | None, typer.Option("--date-format", help="Form of the dates, such as %d/%m/%Y.")]
PresetOption = Annotated[str | None, typer.Option("--preset", help="Order export of: shopify, woocommerce.")]
AmountOption = Annotated[str | None, typer.Option("--amount", help="Whose amount a row carries: line or order.")]
DecimalOption = Annotated[str | None, typer.Option("--decimal", help="Sign before decimals: . or ,")]
ThousandsOption = Annotated[str | None, typer.Option("--thousands", help="Sign between thousands: , . ' or space.")]
SignOption = Annotated[str | None, typer.Option("--currency-sign", help="Sign of the currency, such as € or Rs.")]
SheetOption = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook; the first where absent.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="csv (any file) or mongodb.")]
DatabaseOption = Annotated[str | None, typer.Option("--database", help="MongoDB: the database.")]
CollectionOption = Annotated[str | None, typer.Option("--collection", help="MongoDB: the collection.")]
WholeOption = Annotated[bool, typer.Option("--whole", help="MongoDB: read all again, not only what is new.")]
ZoneOption = Annotated[str | None, typer.Option("--time-zone", help="IANA zone; makes the business on first import.")]
CurrencyOption = Annotated[str | None, typer.Option("--currency", help="ISO 4217 code; makes the business, too.")]
RejectsOption = Annotated[Path | None, typer.Option("--rejects", help="CSV file for the rejected rows.")]


def read_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """COLUMN=FIELD pairs."""
    found: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.partition("=")
        if not (column and equals and field):
            raise InvalidInput(f"--map must be COLUMN=FIELD, not {pair}", ("map",))
        found[column] = field
    return found
