"""Requests under /exports and /imports: each ends in an answer and in one line of the log, whatever happens."""

import logging
import time
from collections.abc import Awaitable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gql.errors import log_surprise
from gql.export_answers import refused
from gql.transport import CLOSED

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
log = logging.getLogger("segments")


async def logged(request: Request, operation: str, answer: Awaitable[Response]) -> Response:
    """The answer; a surprise is masked and has the request's id."""
    began, request_id = time.perf_counter(), request.state.request_id
    try:
        response = await answer
    except ClientDisconnect:
        response = Response(status_code=CLOSED)
    except Exception as error:
        log_surprise(error, request_id)
        response = refused(500, f"Internal error. Quote the request id {request_id}.")
    log.info(
        "request id=%s method=%s operation=%s status=%d ms=%.1f",
        request_id,
        request.method if request.method in METHODS else "-",
        operation,
        response.status_code,
        (time.perf_counter() - began) * 1000,
    )
    return response
