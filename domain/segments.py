"""Segments: their definitions, checked before anything is written, and what depends on what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.criteria import definition_tree
from domain.errors import DomainError
from domain.model import Business
from domain.pages import Page, PageRequest
from domain.ports import Clock
from domain.rule_text import sentence
from domain.segment_model import Definition, Segment
from domain.segment_ports import SegmentFilter, SegmentSort, SegmentStore


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of a business, as the services see them."""

    store: SegmentStore
    clock: Clock

    async def page(
        self, business: Business, request: PageRequest, where: SegmentFilter, sort: SegmentSort, reverse: bool
    ) -> Page[Segment]:
        """One page of the segments that are not deleted."""
        async with self.store.read(business) as unit:
            return await unit.segments.page(request, where, sort, reverse)

    async def count(self, business: Business, where: SegmentFilter) -> int:
        """How many segments there are."""
        async with self.store.read(business) as unit:
            return await unit.segments.count(where)

    async def by_ids(self, business: Business, ids: Sequence[int]) -> Mapping[int, Segment]:
        """Those that exist, deleted ones too, because history names them."""
        async with self.store.read(business) as unit:
            return await unit.segments.by_ids(ids, deleted=True)

    async def by_key(self, business: Business, key: str) -> Segment | None:
        """The one of that key that is not deleted."""
        async with self.store.read(business) as unit:
            return (await unit.segments.by_keys([key])).get(key)


def words(definition: Definition, currency: str) -> str | None:
    """The definition in words; None where it asks for nothing."""
    try:
        tree = definition_tree(definition.rules, definition.criteria, definition.rfm_config)
    except DomainError:
        # A rule that an older program accepted: it is shown as it was given.
        return None
    return None if tree is None else sentence(tree, currency)
