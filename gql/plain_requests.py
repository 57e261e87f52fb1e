""""""

from collections.abc import Mapping

from starlette.responses import Response

from gql.http.json_body import encode_json


def wrong_input(message: str) -> Response:
    """The documented body of a wrong parameter."""
    return _json({"success": False, "error": message}, 400)


def refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Any other refusal."""
    return _json({"detail": detail}, status, headers)


def _json(body: object, status: int, headers: Mapping[str, str] | None = None) -> Response:
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encode_json(body), status, kept, "application/json")
