"""What an id stands for: one table says how the object of each type is found, by whom it may be seen, and what it is.
`node` reads it, and so does an answer that is made anew from what a mutation referred to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from domain.model import Business as BusinessEntity
from domain.model import Permission
from domain.segments.model import Segment as SegmentEntity
from gql.schema.context import Context
from gql.schema.types.business import AuditEvent, Business, SourceFormat, Storefront
from gql.schema.types.customer import Customer, Purchase
from gql.schema.types.ids import Node, decode_own
from gql.schema.types.job import PurchaseImport, Recalculation
from gql.schema.types.membership import Snapshot, read_snapshot_key
from gql.schema.types.segment import Segment


def get_only_number(numbers: tuple[int, ...]) -> int | None:
    """The key of what has one number beside the business's."""
    return numbers[0] if len(numbers) == 1 else None


def to_present_segment(business: BusinessEntity, entity: SegmentEntity) -> Segment | None:
    """The segment; None for a deleted one, which is only history."""
    return Segment.of(business, entity) if entity.deleted_at is None else None


@dataclass(frozen=True, slots=True)
class NodeKind:
    """How the object of an id is found: by what, under which key, as what, and by whom."""

    find: Callable[[Context], Callable[[Any], Awaitable[Any]]]
    of: Callable[[BusinessEntity, Any], Node | None]
    key: Callable[[tuple[int, ...]], Any] = get_only_number
    permission: Permission = Permission.VIEW


NODES = {
    "AuditEvent": NodeKind(
        lambda context: context.loaders.audit_events.load, AuditEvent.of, permission=Permission.EDIT
    ),
    "Customer": NodeKind(lambda context: context.loaders.customers.load, Customer.of),
    "Purchase": NodeKind(
        lambda context: context.loaders.purchases.load, Purchase.of, lambda ids: ids if len(ids) == 2 else None
    ),
    "PurchaseImport": NodeKind(lambda context: context.loaders.imports.load, PurchaseImport.of),
    "Recalculation": NodeKind(lambda context: context.loaders.jobs.load, Recalculation.of),
    "Segment": NodeKind(lambda context: context.loaders.segments.load, to_present_segment),
    "Snapshot": NodeKind(lambda context: context.loaders.snapshots.load, Snapshot.of, read_snapshot_key),
    "Storefront": NodeKind(lambda context: context.loaders.storefronts.load, Storefront.of),
}


async def find_node(context: Context, value: str) -> Node | None:
    """The object of a global id; None where there is none, or it is another business's, or not for the viewer."""
    id = decode_own(value, await context.load_business())
    if id is None or (id.kind in NODES and NODES[id.kind].permission not in context.viewer.permissions):
        return None
    return await load_node(context, id.kind, id.numbers)


async def load_node(context: Context, kind: str, numbers: tuple[int, ...]) -> Node | None:
    """The object of a type and the numbers of its id, but the business's; None where there is none."""
    business = await context.load_business()
    if kind == "Business" and not numbers:
        return Business.of(business)
    known = NODES.get(kind)
    if known is None or (key := known.key(numbers)) is None:
        return None
    entity = await known.find(context)(key)
    return None if entity is None else known.of(business, entity)


async def load_source_format(context: Context, name: str) -> SourceFormat | None:
    """The format of that name; None where it is gone."""
    saved = await context.read(lambda unit: unit.formats.load_all())
    return next((SourceFormat.of(one) for one in saved if one.name == name), None)
