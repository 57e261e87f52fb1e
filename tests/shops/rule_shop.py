"""A shop with segments for the tests of questions about rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import update

from domain.model import Business
from domain.rules.evaluator import CustomerFacts, holds
from domain.rules.parser import parse_rule
from domain.segments.analysis import Analysis, Preview
from domain.segments.model import Definition, MembershipSource, NewSegment, Segment, SegmentKind
from domain.store import Side
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from persistence.tables.customers import customer
from tests.shops.rule_population import NOW, populate

BUYERS = {">=": [{"var": "order_count"}, 2]}
VIP = {"in": ["vip", {"var": "segments"}]}
RULES: Mapping[str, object] = {
    "buyers": BUYERS,
    "spenders": {">": [{"var": "total_revenue"}, 700]},
    "ranked": {">=": [{"var": "monetary_score"}, 3]},
    "labelled": {"in": [{"var": "purchase_frequency_label"}, ["Loyal", "New"]]},
    "kids": {"some": [{"var": "purchases.lines"}, {"==": [{"var": "category"}, "Kids"]}]},
    "vip": VIP,
    "others": {"and": [{"!": VIP}, BUYERS]},
}


@dataclass(frozen=True)
class Shop:
    """The customers of the tests of rules, and the segments vip (by hand, every third customer) and buyers."""

    services: Services
    store: SqlStore
    business: Business
    subjects: Mapping[int, CustomerFacts]
    vip: Segment
    buyers: Segment

    @property
    def analysis(self) -> Analysis:
        return self.services.analysis

    def members_of(self, rule: object) -> list[int]:
        tree = parse_rule(rule)
        return sorted(key for key, each in self.subjects.items() if holds(tree, each))

    async def preview(self, rule: object, against: int | None = None) -> Preview:
        return await self.analysis.preview(self.business, Definition(rule), against)

    async def load_sample(self, preview: Preview, side: Side, size: int = 50) -> list[int]:
        found = await self.analysis.load_sample(self.business, preview, side, size)
        return [record.customer.id for record in found]

    async def erase(self, key: int) -> None:
        async with self.store.database.writer.begin() as connection:
            mine = (customer.c.business_id == self.business.id, customer.c.id == key)
            await connection.execute(update(customer).where(*mine).values(erased=True))


async def add(
    store: SqlStore, business: Business, key: str, rule: object = None, members: Sequence[int] = ()
) -> Segment:
    kind = SegmentKind.MANUAL if rule is None else SegmentKind.AUTOMATIC
    new = NewSegment(key, key.title(), None, kind, False, False, Definition(rule), None, None)
    async with store.write(business) as unit:
        made = await unit.segments.add(new, unit.instant)
        await unit.memberships.add(made.id, members, unit.instant, MembershipSource.MANUAL, "test")
    return made


async def open_shop(database: Database) -> Shop:
    """Fill a new, empty store."""
    people = await populate(database)
    services, store = Services(database, lambda: NOW), SqlStore(database, lambda: NOW)
    business = people.context.business
    thirds = [key for key in people.subjects if key % 3 == 0]
    vip = await add(store, business, "vip", members=thirds)
    buyers = await add(store, business, "buyers", BUYERS, range(1, 41))
    subjects = {
        key: replace(each, segments=frozenset({"vip"} if key % 3 == 0 else ())) for key, each in people.subjects.items()
    }
    return Shop(services, store, business, subjects, vip, buyers)
