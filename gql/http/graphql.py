"""GraphQL over HTTP, and one operation whatever it came over: its parameters checked, its deadline kept, its answer put
into words. Only a JSON object in an exact content type is read, only with a token; whatever comes in, what goes out is
strict JSON with a fitting status, and work that nobody waits for any more is stopped."""

import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from domain.errors import InvalidInput, KeyInUse, KeyReused, Unavailable
from domain.jobs.progress import Audience
from domain.json_text import BadJson
from domain.model import Actor, Business, Viewer
from domain.store import Claim
from gql.auth import Unauthenticated, read_bearer_token
from gql.counters import REPORTS
from gql.http.endpoint import CHALLENGE, STATUSES, HttpError
from gql.http.idempotency import (
    HEADER,
    PASSING,
    REPLAYED,
    IdempotentRequests,
    compute_digest,
    is_mutation,
    move_links,
    read_key,
)
from gql.http.json_body import MAXIMUM_BODY, decode_body, encode_json, write_json
from gql.http.middleware import CLOSED, find_origin, log_request, run_with_deadline, while_connected
from gql.http.persisted import PersistedDocuments
from gql.http.throttling import MINIMUM_COST, Admission, Throttle, Throttled
from gql.schema.answers import AnswerMemory, KeptAnswer, Key
from gql.schema.context import CacheStats, Context, Cost
from gql.schema.errors import MAXIMUM_ERRORS, build_refusal, format_error, is_surprise
from gql.settings import Settings

HIT, MISS = REPORTS.labels("hit"), REPORTS.labels("miss")
NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}")
BEGINNING = re.compile(r"(?:[\s,\ufeff]|#.*+)*+(?:query|mutation|subscription)\s++(\w++)", re.ASCII)
"""An operation with a name at the beginning of a document, after comments. What repeats is never tried twice."""
QUERIES = frozenset({OperationType.QUERY})
QUERIES_AND_MUTATIONS = QUERIES | {OperationType.MUTATION}
Confirm = Callable[[Viewer], Awaitable[None]]
"""Fails as authentication does where the viewer's token holds no more."""
RETRY_SECONDS = 5
MakeContext = Callable[[Viewer, str, Cost], Context]
RESPONSE_JSON = "application/graphql-response+json"
HEADERS = {
    media: [
        (b"cache-control", b"no-store"),
        (b"vary", b"Accept, Origin"),
        (b"content-type", f"{media}; charset=utf-8".encode()),
    ]
    for media in ("application/json", RESPONSE_JSON)
}
"""Of every answer, by its media type."""
RETRY = {"Retry-After": "1"}
"""Of a request whose Idempotency-Key cannot be claimed now."""
CHARSETS = ("", "charset=utf-8", 'charset="utf-8"')


@dataclass(frozen=True, slots=True)
class Parameters:
    """One operation as a client sends it; `digest` is what its document is to be kept by once it was executed."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None
    digest: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any], maximum: int, digest: str | None = None) -> "Parameters":
        """From a decoded body; HttpError where a part has the wrong shape or the document is too long."""
        query, variables, name = values.get("query"), values.get("variables"), values.get("operationName")
        if not isinstance(query, str) or not query.strip():
            raise HttpError(400, "query must be a GraphQL document.")
        if len(query.encode("utf-8", "replace")) > maximum:
            raise HttpError(413, f"query must be at most {maximum} bytes.", "LIMIT_EXCEEDED")
        if variables is not None and not isinstance(variables, dict):
            raise HttpError(400, "variables must be a JSON object.")
        if name is not None and not isinstance(name, str):
            raise HttpError(400, "operationName must be a string.")
        if values.get("extensions") is not None and not isinstance(values["extensions"], dict):
            raise HttpError(400, "extensions must be a JSON object.")
        return cls(query, variables, name or None, digest)

    @property
    def name_for_log(self) -> str:
        """The operation's name, or that of the one that the document begins with; where it is none, a dash."""
        first = None if self.operation_name else BEGINNING.match(self.query)
        name = self.operation_name or (first[1] if first else "")
        return name if NAME.fullmatch(name) else "-"


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its status: 400 without `data` where nothing was executed, 429 where the caller has to wait, 500 where
    the server is at fault. `replayed` says that an earlier request with the same Idempotency-Key did what it tells
    of. Where `data` is written as JSON already, the body is without it."""

    body: dict[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False
    data: bytes | None = None

    async def write(self) -> bytes:
        """The body as JSON."""
        body, data = dict(self.body), self.data
        if data is None and "data" in body:
            data = (await write_json(body.pop("data"))).encode()
        rest = encode_json(body).encode()
        return rest if data is None else b'{"data":%b%b' % (data, b"," + rest[1:] if body else b"}")

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs operations on one schema."""

    schema: Any
    settings: Settings
    make_context: MakeContext
    throttle: Throttle
    documents: PersistedDocuments
    answers: AnswerMemory

    def read_parameters(self, viewer: Viewer, values: object) -> Parameters:
        """An operation from a decoded body, its document from those that are kept where it is only named; HttpError
        where it cannot be one."""
        if not isinstance(values, dict):
            raise HttpError(400, "The body must be one JSON object.")
        query, digest = self.documents.find(viewer, values)
        return Parameters.of({**values, "query": query}, self.settings.maximum_document, digest)

    def begin(self, viewer: Viewer, request_id: str, origin: str) -> Context:
        """The context of an operation; Throttled where the caller has nothing left."""
        context = self.make_context(viewer, request_id, self.throttle.open(viewer))
        context.origin = origin
        return context

    async def answer_query(
        self,
        viewer: Viewer,
        parameters: Parameters,
        request_id: str,
        find_origin: Callable[[], str],
        allowed: Collection[OperationType],
    ) -> Answer:
        """The answer that is kept, for which the caller pays all the same, or a new one. What it takes to see whether a
        kept one holds counts for the deadline."""
        key = self.answers.find_key(viewer, (parameters.query, parameters.operation_name), parameters.variables)
        business, spent = None, 0.0
        if key is not None and (kept := self.answers.find(key)) is not None:
            if kept.state is not None:
                began = time.monotonic()
                try:
                    business = await self.answers.open_business(key, self.settings.deadline_seconds)
                except TimeoutError:
                    return _build_timeout(self.settings.deadline_seconds, None)
                except Unavailable as error:
                    return Answer({"errors": [build_refusal(error.message, error.code)], "data": None})
                spent = time.monotonic() - began
            age = self.answers.use(key, kept, business)
            if age is not None:
                cost = self.throttle.open(viewer).repeat(kept.requested, kept.actual)
                self._keep_document(viewer, parameters)
                return Answer(_build_extensions(CacheStats(kept.reports, 0, age), cost), data=kept.data)
        return await self.run(viewer, parameters, request_id, allowed, None, find_origin(), True, key, business, spent)

    async def run(
        self,
        viewer: Viewer,
        parameters: Parameters,
        request_id: str,
        allowed: Collection[OperationType],
        claim: Claim | None = None,
        origin: str = "",
        keep: bool = False,
        key: Key | None = None,
        opened: Business | None = None,
        spent: float = 0.0,
    ) -> Answer:
        """The answer of a query or mutation within the deadline; InvalidOperationTypeError for what is not allowed. A
        mutation that holds a claim is done, or has been done, once; what a query answers
        is kept where it may be, under the key if there is one. `spent` are seconds of the deadline that have passed."""
        deadline, context = self.settings.deadline_seconds, self.begin(viewer, request_id, origin)
        began, context.opened = self.answers.clock(), opened

        def allow_more() -> float:
            """Seconds beyond the usual ones; what the operation asks for is known by then."""
            nonlocal deadline
            if context.cost.is_slow:
                deadline = max(deadline, self.settings.report_deadline_seconds)
            return deadline - self.settings.deadline_seconds

        context.claim = claim
        try:
            execution = self.schema.execute(
                parameters.query,
                variable_values=parameters.variables,
                context_value=context,
                operation_name=parameters.operation_name,
                allowed_operation_types=allowed,
            )
            result = await run_with_deadline(max(deadline - spent, 0.0), execution, allow_more)
            answer = self.answer(parameters, result, request_id, context)
            if answer.status != 200 or result.errors:
                return answer
            if keep and key is None and context.cost.document is not None:
                name = parameters.query, parameters.operation_name
                self.answers.learn(name, context.cost.document)
                key = self.answers.find_key(viewer, name, parameters.variables)
            return answer if key is None else await self._keep_answer(key, began, answer, context)
        except TimeoutError:
            return _build_timeout(deadline, context.cost.keep())
        except CannotGetOperationTypeError as error:
            raise HttpError(400, "operationName must name an operation of the document.") from error
        finally:
            context.close()

    async def stream(
        self,
        viewer: Viewer,
        parameters: Parameters,
        request_id: str,
        origin: str = "",
        audience: Audience | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """The one answer of a query or mutation, or each of a subscription. Nothing is fetched from a subscription
        before the answer before it was taken, so a slow reader holds one answer and no queue."""
        try:
            answer = await self.answer_query(viewer, parameters, request_id, lambda: origin, QUERIES_AND_MUTATIONS)
        except InvalidOperationTypeError:
            pass
        else:
            yield answer
            return
        context = self.begin(viewer, request_id, origin)
        context.audience = audience
        try:
            results = await self.schema.subscribe(
                parameters.query,
                variable_values=parameters.variables,
                context_value=context,
                operation_name=parameters.operation_name,
            )
            async with aclosing(results):
                async for result in results:
                    yield self.answer(parameters, result, request_id, context)
                    context.renew()
        except GraphQLError as error:
            yield Answer({"errors": [format_error(error, request_id, self.schema)]}, 400)
        finally:
            context.close()

    def answer(self, parameters: Parameters, result: Any, request_id: str, context: Context) -> Answer:
        """The body of a result; `extensions.cache` says of its reports how many were kept, and since when."""
        errors = list(result.errors or [])
        for error in errors:
            if isinstance(error.original_error, Throttled):
                return refuse(error.original_error)
        body: dict[str, Any] = {}
        if errors:
            body["errors"] = [format_error(error, request_id, self.schema) for error in errors[:MAXIMUM_ERRORS]]
        extensions = _build_extensions(context.cache, context.cost.settle(result.data))
        status = 200
        if result.data is None and not any(error.path for error in errors):
            status = 500 if any(is_surprise(error) for error in errors) else 400
        else:
            body["data"] = result.data
            self._keep_document(context.viewer, parameters)
        return Answer({**body, **extensions}, status)

    def _keep_document(self, viewer: Viewer, parameters: Parameters) -> None:
        """It was executed, so that from now on it may only be named."""
        if parameters.digest is not None:
            self.documents.keep(viewer, parameters.digest, parameters.query)

    async def _keep_answer(self, key: Key, began: datetime, answer: Answer, context: Context) -> Answer:
        """The same with its data written, as it is kept."""
        body = dict(answer.body)
        data = (await write_json(body.pop("data"))).encode()
        requested, cache = context.cost.requested, context.cache
        actual = body.get("extensions", {}).get("cost", {}).get("actual", requested)
        kept = KeptAnswer(data, requested, actual, cache.hit + cache.miss, cache.age)
        self.answers.add(key, context.get_business(), began, kept)
        return Answer(body, data=data)


def _build_timeout(seconds: float, cost: Mapping[str, int] | None) -> Answer:
    error = build_refusal(f"The operation took longer than {seconds:g} seconds.", "TIMEOUT")
    return Answer({"errors": [error], "data": None, **({} if cost is None else {"extensions": {"cost": cost}})})


def _build_extensions(cache: CacheStats, cost: Mapping[str, int] | None) -> dict[str, Any]:
    """What an answer says beside its data: of its reports how many were kept, and since when; and what it cost."""
    extensions: dict[str, Any] = {}
    if cache.hit or cache.miss:
        for counter, number in ((HIT, cache.hit), (MISS, cache.miss)):
            if number:
                counter.inc(number)
        extensions["cache"] = {"hit": cache.hit, "miss": cache.miss, "age": round(cache.age, 3)}
    if cost is not None:
        extensions["cost"] = cost
    return {"extensions": extensions} if extensions else {}


def refuse(error: Throttled) -> Answer:
    """The answer to a caller that has to wait."""
    refusal = build_refusal(error.message, error.code)
    refusal["extensions"]["retryAfter"] = error.retry_seconds
    body: dict[str, Any] = {"errors": [refusal]}
    if error.cost is not None:
        body["extensions"] = {"cost": error.cost}
    return Answer(body, 429, error.headers)


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """Answers POST and GET at /graphql; GET for a page of HTML gives the explorer. It is an application of its own: a
    function would be wrapped for each request."""

    executor: Executor
    admission: Admission
    explorer: Callable[[Request], Response]
    requests: IdempotentRequests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one line in the log."""
        request = Request(scope, receive, send)
        response = await self.respond(request)
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """The answer to a request."""
        began, request_id, method = time.perf_counter(), request.state.request_id, request.method
        headers = _read_headers(request.scope)
        accept = headers.get("accept", "")
        operation = "-"
        codes: list[str] = []
        try:
            if method == "GET" and not request.query_params and "text/html" in accept:
                response = self.explorer(request)
            else:
                viewer = await self._authenticate(request, headers)
                parameters = await self._read_parameters(request, headers, viewer)
                operation = parameters.name_for_log
                answer = await self._execute(request, headers, viewer, parameters, request_id)
                codes = answer.codes
                response = await _make_response(accept, answer)
                if answer.replayed:
                    response.headers[REPLAYED] = "true"
        except HttpError as error:
            codes = [error.code]
            answer = Answer({"errors": [build_refusal(error.message, error.code)]}, error.status, error.headers)
            response = await _make_response(accept, answer, request_error=False)
        except Throttled as error:
            codes = [error.code]
            response = await _make_response(accept, refuse(error))
        except ClientDisconnect:
            response = Response(status_code=CLOSED)
        named = method if method in ("GET", "POST") else "-"
        log_request(request_id, named, operation, began, status=response.status_code, codes=codes)
        return response

    async def _authenticate(self, request: Request, headers: Mapping[str, str]) -> Viewer:
        """Who asks, and has not spent everything: that is known before the body is read."""
        try:
            viewer = await self.admission.admit(request, read_bearer_token(headers))
        except Unauthenticated as error:
            raise HttpError(401, error.message, error.code, CHALLENGE) from error
        except Unavailable as error:
            raise HttpError(503, error.message, error.code, {"Retry-After": str(RETRY_SECONDS)}) from error
        self.executor.throttle.check(viewer)
        return viewer

    async def _read_parameters(self, request: Request, headers: Mapping[str, str], viewer: Viewer) -> Parameters:
        if request.method == "GET":
            values: Any = dict(request.query_params)
            for part in ("variables", "extensions"):
                if part in values:
                    values[part] = await _decode(values[part].encode("utf-8", "replace"))
        elif request.method == "POST":
            values = await _decode(await _read_body(request, headers))
        else:
            raise HttpError(405, "Use POST, or GET for a query.", headers={"Allow": "GET, POST"})
        return self.executor.read_parameters(viewer, values)

    async def _execute(
        self, request: Request, headers: Mapping[str, str], viewer: Viewer, parameters: Parameters, request_id: str
    ) -> Answer:
        allowed = QUERIES if request.method == "GET" else QUERIES_AND_MUTATIONS
        origin = partial(find_origin, request, self.executor.settings.public_url)
        try:
            key = _read_key(request.method, headers, parameters)
            if key is None:
                work = self.executor.answer_query(viewer, parameters, request_id, origin, allowed)
            else:
                work = self._run_once(viewer, parameters, request_id, key, origin())
            return await while_connected(request, work)
        except InvalidOperationTypeError as error:
            if request.method == "GET":
                raise HttpError(405, "Use POST for this operation.", headers={"Allow": "POST"}) from error
            raise HttpError(400, "Use a WebSocket for subscriptions.") from error

    async def _run_once(self, viewer: Viewer, parameters: Parameters, request_id: str, key: str, origin: str) -> Answer:
        """The answer of a mutation that is done once for the key; a link in it says where this request reached us."""
        run = partial(self.executor.run, viewer, parameters, request_id, QUERIES_AND_MUTATIONS, origin=origin)
        actor = Actor(viewer.subject, request_id, key)
        digest = compute_digest(parameters.query, parameters.variables or {}, parameters.operation_name)
        try:
            found = await self.requests.store.find_business(viewer.business)
            if found is None:
                return await run()
            async with self.requests.hold(found[0], actor, digest) as held:
                if held.claim.answer is not None:
                    self.executor.throttle.charge(viewer, MINIMUM_COST)
                    return Answer(move_links(json.loads(held.claim.answer), "", origin), replayed=True)
                answer = await run(claim=held.claim)
                if answer.status == 200 and PASSING.isdisjoint(answer.codes):
                    held.answer = await write_json(move_links(answer.body, origin, ""))
                return replace(answer, replayed=held.claim.effect is not None)
        except (KeyReused, KeyInUse, Unavailable) as error:
            headers = {} if isinstance(error, KeyReused) else RETRY
            raise HttpError(STATUSES[error.code], error.message, error.code, headers) from error


def _read_headers(scope: Scope) -> dict[str, str]:
    """By their names in lower case, as a server hands them on; of several the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def _read_key(method: str, headers: Mapping[str, str], parameters: Parameters) -> str | None:
    """The Idempotency-Key of a mutation; HttpError where the key, or the document with one, cannot be."""
    if HEADER.lower() not in headers or method != "POST":
        return None
    try:
        return read_key(headers) if is_mutation(parameters.query, parameters.operation_name) else None
    except InvalidInput as error:
        raise HttpError(400, error.message, error.code) from error


async def _read_body(request: Request, headers: Mapping[str, str]) -> bytes:
    kind, _, rest = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or rest.strip().lower() not in CHARSETS:
        raise HttpError(415, "The content type must be application/json.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(415, "The body must not be compressed.")
    data, receive, goes_on = b"", request.receive, True
    while goes_on:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        data += message.get("body", b"")
        if len(data) > MAXIMUM_BODY:
            raise HttpError(413, f"The body must be at most {MAXIMUM_BODY} bytes.", "LIMIT_EXCEEDED")
        goes_on = message.get("more_body", False)
    return data


async def _decode(data: bytes) -> Any:
    try:
        return await decode_body(data)
    except BadJson as error:
        raise HttpError(400, str(error)) from error


async def _make_response(accept: str, answer: Answer, request_error: bool = True) -> Response:
    modern = RESPONSE_JSON in accept
    status = answer.status
    if request_error and status == 400 and not modern and "application/json" in accept:
        # Clients that ask for plain JSON read the status as the transport's, not the operation's.
        status = 200
    response = Response(status_code=status)
    response.body = await answer.write()
    response.raw_headers = [
        *HEADERS[RESPONSE_JSON if modern else "application/json"],
        (b"content-length", b"%d" % len(response.body)),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.items()),
    ]
    return response
