"""Bodies of JSON, in and out, for HTTP and WebSocket alike. Only strict and bounded JSON is read, and nothing else is
written."""

import json
from typing import Any

from domain.json_text import BadJson, read_json

MAXIMUM_BODY = 1 << 20


def decode_json(data: str | bytes) -> Any:
    """The value; BadJson for anything that is not strict JSON."""
    try:
        return read_json(data.decode("utf-8") if isinstance(data, bytes) else data)
    except UnicodeDecodeError as error:
        raise BadJson("The body must be UTF-8.") from error
    except BadJson:
        raise
    except ValueError as error:
        raise BadJson("The body must be valid JSON.") from error


def encode_json(value: object) -> str:
    """The value as JSON without spaces; ValueError for NaN and infinities."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
