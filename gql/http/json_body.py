"""JSON in and out, strict and bounded: no NaN, no numbers of thousands of digits, no bottomless nesting, no halves of
characters. Serves HTTP and WebSocket alike."""

import asyncio
import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any, NoReturn

MAXIMUM_BODY = 1 << 20
MAXIMUM_DIGITS = 40
MAXIMUM_NESTING = 100
MAXIMUM_ITEMS = 20_000
"""Each is checked before anything of a request is done, in one piece."""
LONG = 16
"""Of a list of so many each item is written in one piece; what is shorter is gone into."""
PIECE_SECONDS = 0.005
"""How long an answer is written before the event loop looks after others."""


class BadBody(ValueError):
    """A body that is no JSON that we read; the message says why."""


def _refuse_constant(name: str) -> NoReturn:
    raise BadBody(f"{name} is not JSON.")


def _parse_whole(text: str) -> int:
    if len(text) > MAXIMUM_DIGITS:
        raise BadBody(f"Numbers have at most {MAXIMUM_DIGITS} digits.")
    return int(text)


def _parse_real(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadBody("A number is too large.")
    return value


def decode_json(data: str | bytes) -> Any:
    """The value; BadBody for anything that is not strict JSON."""
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise BadBody("The body must be UTF-8.") from error
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_parse_whole, parse_float=_parse_real)
    except BadBody:
        raise
    except (ValueError, RecursionError) as error:
        raise BadBody("The body must be valid JSON.") from error
    _check_size(value)
    # An escape can spell half of a character, which no encoder and no database takes.
    if "\\u" in text and not _is_encodable(value):
        raise BadBody("Texts must be Unicode: an escape stands for half of a character.")
    return value


def _check_size(value: object) -> None:
    items = 0
    level = [value]
    for _ in range(MAXIMUM_NESTING + 1):
        items += sum(len(outer) for outer in level if isinstance(outer, list))
        if items > MAXIMUM_ITEMS:
            raise BadBody(f"Lists hold at most {MAXIMUM_ITEMS:,} items in all.")
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise BadBody(f"Lists and objects are nested at most {MAXIMUM_NESTING} deep.")


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def encode_json(value: object) -> str:
    """The value as JSON without spaces; ValueError for NaN and infinities."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


async def write_json(value: object) -> str:
    """What `encode_json` writes, for an answer of any size: the event loop is held for no longer than one item of a
    long list takes."""
    pieces: list[str] = []
    began = perf_counter()
    for piece in _write_pieces(value):
        pieces.append(piece)
        if perf_counter() - began > PIECE_SECONDS:
            await asyncio.sleep(0)
            began = perf_counter()
    return "".join(pieces)


def _write_pieces(value: object) -> Iterator[str]:
    before: str
    if isinstance(value, dict) and value:
        before = "{"
        for key, inner in value.items():
            yield f"{before}{encode_json(key)}:"
            yield from _write_pieces(inner)
            before = ","
        yield "}"
    elif isinstance(value, list) and any(isinstance(inner, dict | list) for inner in value):
        write = _write_pieces if len(value) < LONG else _write_whole
        before = "["
        for inner in value:
            yield before
            yield from write(inner)
            before = ","
        yield "]"
    else:
        yield encode_json(value)


def _write_whole(value: object) -> Iterator[str]:
    yield encode_json(value)
