"""Mutations with the header Idempotency-Key: one effect and one answer for each key of a subject, for a day. A request
claims its key before anything is done. Who comes while it is at work is refused, who comes later has its answer; where
that was lost, or is none that lasts, the payload is made anew of what the mutation did. To queries the header means
nothing."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
)

from domain.calendar import Clock
from domain.errors import InvalidInput, KeyInUse, KeyReused, Unavailable
from domain.model import Actor, Business
from domain.store import Claim, Store
from gql.schema.answers import mark_numbers
from gql.schema.limits import MAXIMUM_TOKENS

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
"""The header of an answer that an earlier request has had, or would have had."""
LONGEST_KEY = 255
LINKS = "/exports/"
"""What every path to a file begins with."""
LEASE_SECONDS = 20
"""How long a request that does not end is waited for: twice the seconds of an operation."""
PASSING = frozenset(
    {"INTERNAL", "TIMEOUT", "UNAVAILABLE", "THROTTLED", "FORBIDDEN", "LIMIT_EXCEEDED", "IDEMPOTENCY_IN_PROGRESS"}
)
"""Codes of answers that are not kept, because the same request may be answered otherwise later."""


def read_key(headers: Mapping[str, str]) -> str | None:
    """The key of a request by its headers, named in lower case; None where it has none, InvalidInput where it cannot be
    one."""
    key = headers.get(HEADER.lower())
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidInput(f"{HEADER} must be 1 to {LONGEST_KEY} printable ASCII characters")
    return key


def is_mutation(document: str, operation_name: str | None) -> bool:
    """Whether the operation is a mutation, which then has one field; InvalidInput where it has several. A document
    that cannot be read is none: whoever executes it says why."""
    try:
        parsed = parse(document, no_location=True, max_tokens=MAXIMUM_TOKENS)
    except (GraphQLError, RecursionError):
        return False
    operation = get_operation_ast(parsed, operation_name)
    if operation is None or operation.operation is not OperationType.MUTATION:
        return False
    fields = _list_root_fields(parsed, operation)
    if len(fields) > 1:
        raise InvalidInput(f"A document that is sent with an {HEADER} must have one mutation field, not {len(fields)}.")
    return True


def _list_root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> set[str]:
    """The keys that the answer may have, but those of introspection."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    found: set[str] = set()
    waiting = [operation.selection_set]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                if not node.name.value.startswith("__"):
                    found.add((node.alias or node.name).value)
            elif isinstance(node, InlineFragmentNode):
                waiting.append(node.selection_set)
            elif isinstance(node, FragmentSpreadNode) and node.name.value in fragments:
                waiting.append(fragments.pop(node.name.value).selection_set)
    return found


def compute_digest(*parts: Any) -> str:
    """What tells one request from another."""
    return hashlib.sha256(json.dumps(mark_numbers(parts), sort_keys=True, default=str).encode()).hexdigest()


def move_links(body: Mapping[str, Any], before: str, after: str) -> dict[str, Any]:
    """The answer of a mutation with its links to files at another origin. An answer is kept without, so that nobody is
    told where another request reached the server."""
    here = f"{before}{LINKS}"

    def move(value: Any) -> Any:
        return after + value[len(before) :] if isinstance(value, str) and value.startswith(here) else value

    def move_each(payload: Any) -> Any:
        return {name: move(value) for name, value in payload.items()} if isinstance(payload, Mapping) else payload

    data = body.get("data")
    moved = {name: move_each(payload) for name, payload in data.items()} if isinstance(data, Mapping) else data
    return {**body, "data": moved} if "data" in body else dict(body)


@dataclass(slots=True)
class HeldRequest:
    """A claimed request within the block that works on it; the answer that is set there is kept."""

    claim: Claim
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class IdempotentRequests:
    """Claims requests and keeps their answers."""

    store: Store
    clock: Clock

    @asynccontextmanager
    async def hold(self, business: Business, actor: Actor, digest: str) -> AsyncIterator[HeldRequest]:
        """Hold the actor's request in the block, or find its answer in the claim; KeyReused where the key came with
        another request, KeyInUse where somebody else is at work on it."""
        until = self.clock() + timedelta(seconds=LEASE_SECONDS)
        async with self.store.open_requests(business) as requests:
            claim = await requests.claim(actor, digest, self.clock(), until)
        if claim.digest != digest:
            raise KeyReused(f"This {HEADER} was used for another request. Send another key with it.")
        if claim.answer is None and not claim.ours:
            raise KeyInUse(f"A request with this {HEADER} is being worked on. Try again in a moment.")
        held = HeldRequest(claim)
        try:
            yield held
        finally:
            # A store that is out of reach now takes nothing from the answer: a retry makes it anew.
            with suppress(Unavailable):
                await self._end(business, actor, until, held)

    async def _end(self, business: Business, actor: Actor, until: datetime, held: HeldRequest) -> None:
        if held.claim.answer is not None:
            return
        async with self.store.open_requests(business) as requests:
            if held.answer is None:
                await requests.release(actor)
            else:
                await requests.keep_answer(actor, until, held.answer)
