"""Text cells of an imported file: what is taken off, what is refused, and how a row is shown to people."""

from collections.abc import Iterator, Sequence

MAXIMUM_TEXT = 1000
MAXIMUM_CELLS = 1000
"""Columns that a source may have; of a row that is longer one cell more is kept."""
SEEN_NAMES, SEEN_LETTERS = 20, 40
"""How much of a header is told where it is not the right one."""
FORMULA_STARTS = "=+-@"


class RowFault(ValueError):
    """Why a row is refused."""


def unquoted(text: str) -> str:
    """Text without the apostrophe that protects a spreadsheet from a formula."""
    return text[1:] if len(text) > 1 and text[0] == "'" and text[1] in FORMULA_STARTS else text


def checked_text(text: str, what: str) -> str:
    """A short text that both databases can keep; RowFault otherwise."""
    if len(text) > MAXIMUM_TEXT:
        raise RowFault(f"{what} is longer than {MAXIMUM_TEXT} characters")
    return text


def wrong_width(cells: int, width: int) -> str:
    """What is wrong with a row of so many cells. Of a row that is far too long a source keeps only its beginning."""
    found = counted(cells, "cell") if cells <= MAXIMUM_CELLS else f"more than {MAXIMUM_CELLS:,} cells"
    return f"the row has {found}, the header has {width}"


def check_encoding(cells: Sequence[str]) -> None:
    """RowFault where the row was not UTF-8 or holds a NUL."""
    joined = "".join(cells)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            raise RowFault("the row is not UTF-8 text") from error
    if "\0" in joined:
        raise RowFault("the row holds a NUL character")


def row_text(cells: Sequence[str], separator: str = ",") -> str:
    """The row for people to read, cut where it is long; what was not UTF-8 is shown as a replacement mark."""
    text = separator.join(cells)[:MAXIMUM_TEXT]
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def cells_of(text: str) -> Iterator[str]:
    """What may be a cell of such a row: a cell may hold the separator, up to twice here."""
    parts = text.split(",")
    for many in (1, 2, 3):
        for place in range(len(parts) - many + 1):
            yield unquoted(",".join(parts[place : place + many]).strip())


def columns_seen(header: Sequence[str]) -> str:
    """The header for a sentence, where nothing or other than what was looked for is in it."""
    names = [name.strip() for name in header]
    shown = [name if len(name) <= SEEN_LETTERS else f"{name[:SEEN_LETTERS]}…" for name in names[:SEEN_NAMES]]
    more = len(names) - len(shown)
    return row_text(shown, ", ") + (f" and {more:,} more" if more else "")


def counted(number: int, noun: str) -> str:
    """Such as `1 row` and `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
