"""A customer: who it is, its metrics, scores and labels, its purchases and its segments. Whatever is asked of each
customer of a page comes through a loader. Nouns that speak of each other import modules, and name each other's types
lazily."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.attributes import to_json_value
from domain.classification.rfm import Score, find_group
from domain.customers.metrics import ScoreThreshold, measure_customer
from domain.model import Business as BusinessEntity
from domain.model import PurchaseLine as LineEntity
from domain.money import find_exponent, from_millionths, to_decimal
from domain.pages import Mapped
from domain.segments.model import ChangeList
from domain.store import CustomerRecord, PurchaseRecord
from gql.schema.context import Info
from gql.schema.types import membership as memberships
from gql.schema.types import segment as segments
from gql.schema.types.business import Storefront
from gql.schema.types.enums import Metric, PurchaseStatus, RfmScheme
from gql.schema.types.ids import Node, encode
from gql.schema.types.pagination import After, Before, Connection, First, Last, build_connection, build_page_request
from gql.schema.types.scalars import JSON

if TYPE_CHECKING:
    from gql.schema.types.membership import MembershipChange, SegmentMembership
    from gql.schema.types.segment import Segment

PURCHASE_ORDER = "purchases"
MEMBERSHIP, SEGMENT = strawberry.lazy("gql.schema.types.membership"), strawberry.lazy("gql.schema.types.segment")


@strawberry.type(description="One line of an order.")
class PurchaseLine:
    category: str | None = strawberry.field(description="Product category of the line.")
    product: str | None = strawberry.field(description="Product of the line, as the shop names it.")
    sku: str | None = strawberry.field(description="Stock-keeping unit of the line.")
    quantity: Decimal | None = strawberry.field(description="Quantity of the line; negative where goods came back.")
    amount: Decimal = strawberry.field(
        description="Amount of the line in the business's currency; negative for a refund."
    )
    status: PurchaseStatus = strawberry.field(description="Status of the line.")

    @classmethod
    def of(cls, entity: LineEntity, decimals: int) -> "PurchaseLine":
        return cls(
            category=entity.category,
            product=entity.product,
            sku=entity.sku,
            quantity=None if entity.quantity is None else from_millionths(entity.quantity),
            amount=to_decimal(entity.amount, decimals),
            status=entity.status,
        )


@strawberry.type(description="One order of a customer.")
class Purchase(Node):
    external_id: str = strawberry.field(description="Order id of the shop, unique in the business.")
    purchased_at: datetime = strawberry.field(description="Timestamp of the order.")
    status: PurchaseStatus = strawberry.field(description="Status of the order.")

    @strawberry.field(description="Amount of the order in the business's currency.")
    def amount(self) -> Decimal:
        return to_decimal(self.record.purchase.amount, self.decimals)

    @strawberry.field(description="Storefront of the order.")
    def storefront(self) -> Storefront | None:
        entity = self.record.storefront
        return None if entity is None else Storefront.of(self.business, entity)

    @strawberry.field(description="Sales channel of the order.")
    def channel(self) -> str | None:
        return self.record.purchase.channel

    @strawberry.field(description="What else is said of the order, by the names of the business.")
    def attributes(self) -> JSON:
        return JSON(dict(self.record.purchase.attributes))

    record: strawberry.Private[PurchaseRecord]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, record: PurchaseRecord) -> "Purchase":
        entity = record.purchase
        return cls(
            id=encode("Purchase", business.id, entity.customer_id, entity.id),
            external_id=entity.external_id,
            purchased_at=entity.purchased_at,
            status=entity.status,
            record=record,
            business=business,
        )

    @property
    def decimals(self) -> int:
        return find_exponent(self.business.currency)

    @property
    def key(self) -> tuple[int, int]:
        return self.record.purchase.customer_id, self.record.purchase.id

    @strawberry.field(description="Lines of the order, as they were stated.")
    async def lines(self, info: Info) -> list[PurchaseLine]:
        return [PurchaseLine.of(line, self.decimals) for line in await info.context.loaders.lines.load(self.key)]


@strawberry.type(description="What a customer's qualifying purchases amount to, up to now.")
class CustomerMetrics:
    order_count: int = strawberry.field(description="Number of qualifying purchases.")
    total_revenue: Decimal = strawberry.field(description="Sum of the qualifying purchases in the business's currency.")
    average_order_value: Decimal | None = strawberry.field(
        description="Mean amount of a qualifying purchase, rounded half-even to the minor unit; null without one."
    )
    first_purchase_at: datetime | None = strawberry.field(description="Timestamp of the first qualifying purchase.")
    last_purchase_at: datetime | None = strawberry.field(description="Timestamp of the last qualifying purchase.")
    days_since_last_purchase: int | None = strawberry.field(
        description="Days from the local date of the last qualifying purchase to today."
    )
    tenure_days: int | None = strawberry.field(
        description="Days from the registration, or else the first qualifying purchase, to today."
    )
    purchase_frequency: float = strawberry.field(
        description="Qualifying purchases per 30 days from the first one to now, over at least 30 days."
    )


@strawberry.type(description="What a customer of the shop must have for one of the three scores.")
class RfmThreshold:
    metric: Metric = strawberry.field(description="What the score is of.")
    score: int = strawberry.field(description="The score, 1 to 5.")
    low: Decimal | None = strawberry.field(
        name="from",
        description="Least that has the score: days since the last purchase, orders, or spend in the business's"
        " currency; null without a lower bound.",
    )
    high: Decimal | None = strawberry.field(
        name="to", description="Most that has the score, itself included; null without an upper bound."
    )
    sentence: str = strawberry.field(description='The same in words, such as "M5 from 12,400 LKR".')

    @classmethod
    def of(cls, entity: ScoreThreshold) -> "RfmThreshold":
        return cls(metric=entity.metric, score=entity.score, low=entity.low, high=entity.high, sentence=entity.sentence)


@strawberry.type(description="A customer's own RFM scores over the business's `rfm_days` (365 by default) up to today.")
class RfmScore:
    recency: int = strawberry.field(description="Recency score, 1 (long ago) to 5 (just now).")
    frequency: int = strawberry.field(description="Frequency score, 1 (fewest orders) to 5 (most).")
    monetary: int = strawberry.field(description="Monetary score, 1 (least spend) to 5 (most).")
    score: str = strawberry.field(description='The three digits together, such as "555".')
    segment_name: str | None = strawberry.field(description="Name of the RFM group, of the scheme asked for.")
    segment_code: str | None = strawberry.field(description="Code of the RFM group, of the scheme asked for.")
    entity: strawberry.Private[Score]

    @strawberry.field(
        description="What the shop's customers must have for these scores: recency, frequency, monetary. They move with"
        " the purchases of all customers."
    )
    async def thresholds(self, info: Info) -> list[RfmThreshold]:
        return [RfmThreshold.of(each) for each in await info.context.loaders.thresholds.load(self.entity)]

    @strawberry.field(
        description="What the shop's customers must have for each of the scores 1 to 5: of recency, then of frequency,"
        " then of monetary. A score that the cut values leave to nobody is left out."
    )
    async def scale(self, info: Info) -> list[RfmThreshold]:
        load = info.context.loaders.thresholds.load
        of_scores = await asyncio.gather(*(load(Score(score, score, score)) for score in range(1, 6)))
        return [
            RfmThreshold.of(each) for of_metric in zip(*of_scores, strict=True) for each in of_metric if each.exists
        ]


@strawberry.type(description="Label of a customer in a dimension that a classifier of the server's own adds.")
class CustomLabel:
    dimension: str = strawberry.field(description="Name of the dimension.")
    label: str = strawberry.field(description="Label in it.")


@strawberry.type(description="Labels of a customer; all null without a qualifying purchase.")
class CustomerClassification:
    frequency: str | None = strawberry.field(description="New, Loyal, Lapsed, Seasonal or Regular.")
    spending: str | None = strawberry.field(description="High Value, Medium Value or Low Value.")
    category: str | None = strawberry.field(description="The category that dominates, Family or Mixed.")
    labels: list[CustomLabel] = strawberry.field(
        description="Labels of further dimensions, by their names; a classifier may also replace one of the three."
    )


@strawberry.type(description="A buyer of the business.")
class Customer(Node):
    external_id: str = strawberry.field(description="Customer id of the shop, unique in the business.")
    name: str | None = strawberry.field(description="Name of the customer.")
    email: str | None = strawberry.field(description="Email address of the customer.")
    phone: str | None = strawberry.field(description="Phone number of the customer.")
    country: str | None = strawberry.field(description="Country of the customer, as the shop states it.")
    city: str | None = strawberry.field(description="City of the customer.")
    loyalty_level: str | None = strawberry.field(description="Loyalty level of the customer, as the shop states it.")
    registered_at: datetime | None = strawberry.field(description="Timestamp of the registration.")
    erased: bool = strawberry.field(description="Whether the personal data was erased on request.")
    record: strawberry.Private[CustomerRecord]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, record: CustomerRecord) -> "Customer":
        entity = record.customer
        return cls(
            id=encode("Customer", business.id, entity.id),
            external_id=entity.external_id,
            name=entity.name,
            email=entity.email,
            phone=entity.phone,
            country=entity.country,
            city=entity.city,
            loyalty_level=entity.loyalty_level,
            registered_at=entity.registered_at,
            erased=entity.erased,
            record=record,
            business=business,
        )

    @strawberry.field(description="Attributes of the customer by name, as the business named them.")
    async def attributes(self, info: Info) -> JSON:
        values = await info.context.loaders.attributes.load(self.record.customer.id)
        return JSON({name: to_json_value(value) for name, value in values.items()})

    @strawberry.field(description="Totals of the customer's qualifying purchases.")
    def metrics(self, info: Info) -> CustomerMetrics:
        """From the kept totals, which came with the customer."""
        totals, decimals = self.record.totals, find_exponent(self.business.currency)
        today = info.context.services.customers.find_today(self.business).toordinal()
        metrics = measure_customer(totals, today)
        average = metrics.average_order_value
        return CustomerMetrics(
            order_count=totals.order_count,
            total_revenue=to_decimal(totals.revenue, decimals),
            average_order_value=None if average is None else to_decimal(average, decimals),
            first_purchase_at=totals.first_at,
            last_purchase_at=totals.last_at,
            days_since_last_purchase=metrics.days_since_last_purchase,
            tenure_days=metrics.tenure_days,
            purchase_frequency=metrics.purchase_frequency,
        )

    @strawberry.field(description="RFM scores of the customer; null without a qualifying purchase.")
    async def rfm(
        self,
        info: Info,
        scheme: Annotated[
            RfmScheme, strawberry.argument(description="Which groups to name.")
        ] = RfmScheme.EIGHT_SEGMENT,
    ) -> RfmScore | None:
        score = await info.context.loaders.scores.load((self.record.customer.id, self.record.totals))
        if score is None:
            return None
        group = find_group(score, scheme)
        return RfmScore(
            recency=score.recency,
            frequency=score.frequency,
            monetary=score.monetary,
            score=score.digits,
            segment_name=group.name,
            segment_code=group.code,
            entity=score,
        )

    @strawberry.field(description="Labels of the customer as of today.")
    async def classification(self, info: Info) -> CustomerClassification:
        labels = await info.context.loaders.classifications.load((self.record.customer.id, self.record.totals))
        return CustomerClassification(
            frequency=labels.frequency,
            spending=labels.spending,
            category=labels.category,
            labels=[CustomLabel(dimension=name, label=label) for name, label in labels.further],
        )

    @strawberry.field(description="Purchases of the customer, of every status, newest first.")
    async def purchases(self, info: Info, first: First = None, after: After = None) -> Connection[Purchase]:
        request = build_page_request(PURCHASE_ORDER, int, first, after)
        loaders, key = info.context.loaders, self.record.customer.id
        page = await loaders.purchase_pages.load((key, request))
        of = partial(Purchase.of, self.business)
        return build_connection(page, PURCHASE_ORDER, of, lambda: loaders.purchase_counts.load(key))

    @strawberry.field(description="The segments that the customer is in, by name.")
    async def segments(self, info: Info) -> Sequence[Annotated["SegmentMembership", MEMBERSHIP]]:
        entities = await info.context.loaders.memberships.load(self.record.customer.id)
        return Mapped(entities, partial(memberships.SegmentMembership.of, self.business))

    @strawberry.field(
        description="The customer's entries and exits, and those of customers merged into it, in the order of time."
    )
    async def membership_history(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Annotated["MembershipChange", MEMBERSHIP]]:
        changes = ChangeList(customer_id=self.record.customer.id)
        request = build_page_request(memberships.CHANGE_ORDER, str, first, after, last, before)
        return await memberships.load_changes_connection(info, self.business, changes, request)

    @strawberry.field(description="The automatic segments whose rule holds now, assigned or not, by name.")
    async def matching_segments(self, info: Info) -> Sequence[Annotated["Segment", SEGMENT]]:
        entities = await info.context.loaders.matching_segments.load(self.record.customer.id)
        return Mapped(entities, partial(segments.Segment.of, self.business))
