"""Bodies of JSON, in and out, for HTTP and WebSocket alike. Only strict and bounded JSON is read, and nothing else is
written; neither keeps the event loop for long."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from domain.json_text import BadJson, read_json

MAXIMUM_BODY = 1 << 20
MAXIMUM_LISTED = 10_000
"""Of all lists of a body together: what the schema makes of each item is found out in one piece, of so many in some
90 ms. A thousand purchases of nine lines are as many, and seldom fit into a body."""
LONG = 16
"""Of a list of so many each item is written in one piece; what is shorter is gone into."""
LARGE = 32_768
"""Of a body that is decoded beside the event loop, which one of a mebibyte would keep for half a second."""
DECODING = ThreadPoolExecutor(1, "segments-decoding")
"""One thread, as several would only wait for each other."""
ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
"""Made once, as the library makes one a call."""
PIECE_SECONDS = 0.002
"""How long an answer is written before the event loop looks after others."""


def decode_json(data: str | bytes) -> Any:
    """The value; BadJson for anything that is not strict JSON."""
    try:
        value = read_json(data.decode("utf-8") if isinstance(data, bytes) else data)
    except UnicodeDecodeError as error:
        raise BadJson("The body must be UTF-8.") from error
    except BadJson:
        raise
    except ValueError as error:
        raise BadJson("The body must be valid JSON.") from error
    if _has_many_items(value):
        raise BadJson(f"Lists hold at most {MAXIMUM_LISTED:,} items together.")
    return value


async def decode_body(data: str | bytes) -> Any:
    """What `decode_json` reads, of a body of any size: the event loop goes on meanwhile."""
    if len(data) <= LARGE:
        return decode_json(data)
    return await asyncio.get_running_loop().run_in_executor(DECODING, decode_json, data)


def _has_many_items(value: object) -> bool:
    items, waiting = 0, [value]
    while waiting:
        outer = waiting.pop()
        if isinstance(outer, list):
            items += len(outer)
            if items > MAXIMUM_LISTED:
                return True
        inside = outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
        waiting += [inner for inner in inside if isinstance(inner, dict | list)]
    return False


def encode_json(value: object) -> str:
    """The value as JSON without spaces; ValueError for NaN and infinities."""
    return ENCODER.encode(value)


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
    if isinstance(value, dict) and any(isinstance(inner, dict | list) for inner in value.values()):
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
