"""Customers: lists, lookups, what is derived of each, and writing them. Every answer is one unit of the store. Erasure
takes the person and leaves the figures; open memberships end with it, so that current lists and counts leave the
customer out together. Where the expression of an installed classifier fails for a customer, labels are asked for again
without expressions, and the built-in ones stand."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from domain.attributes import add_kinds
from domain.audit import name_touched
from domain.calendar import Clock, Span, load_zone, to_local_date, to_utc
from domain.classification.labels import (
    Classification,
    ClassificationSettings,
    ClassificationSpan,
    build_labelling,
    classify,
)
from domain.classification.rfm import Quintiles, Score, build_rfm_span
from domain.classifiers import ClassifierFailed, Classifiers
from domain.customers.attributes import join_problems, keep_attributes, keep_kinds, read_attributes
from domain.customers.metrics import ScoreThreshold, find_thresholds, score_customer
from domain.errors import FieldProblem, InvalidInput, Sentence, build_unknown_id, find_text_problems
from domain.identifiers import read_id
from domain.model import (
    PROFILE_TEXTS,
    Actor,
    AttributeKind,
    Business,
    CustomerTotals,
    NewCustomer,
    WriteCounts,
)
from domain.money import find_exponent, to_decimal
from domain.store import Cache, Store, to_field_problem
from domain.texts import compose_optional


@dataclass(frozen=True, slots=True)
class Erasure:
    """Takes the personal data of customers away."""

    store: Store

    async def erase(self, business: Business, customer_id: int, actor: Actor) -> None:
        """Erase a customer; again changes nothing. The id stays."""
        async with self.store.write(business) as unit:
            record = (await unit.customers.find_by_ids([customer_id])).get(customer_id)
            if record is None:
                raise build_unknown_id("customer", "customer_id")
            ended = 0
            if not record.customer.erased:
                ended = await unit.memberships.close_customer(customer_id, unit.instant, actor.name)
                await unit.erasure.erase(customer_id, unit.instant)
                await unit.mark_data_changed()
            await unit.audit(actor, "eraseCustomer", ("Customer", customer_id), {"membershipsEnded": ended})
            await unit.mark_done(actor, erased_customer_id=("Customer", customer_id))


Labels = Mapping[str, Sequence[str | None]]
log = logging.getLogger("segments")


@dataclass(frozen=True, slots=True)
class ClassifierLabels:
    """The labels as of a day, decided with classifiers. Where an expression of one fails for a customer they are
    decided again without expressions, and the built-in labels stand."""

    store: Store
    business: Business
    span: ClassificationSpan
    settings: ClassificationSettings
    decimals: int
    classifiers: Classifiers

    async def load_labels(self, customers: Sequence[int]) -> dict[int, Classification]:
        """Of those customers who have any."""
        classifications: dict[int, Classification] = {}

        def note(ids: Sequence[int], labels: Labels) -> None:
            for place, key in enumerate(ids):
                further = ((name, labels[name][place]) for name in self.classifiers.added if name in labels)
                classifications[key] = Classification(
                    labels["frequency"][place],
                    labels["spending"][place],
                    labels["category"][place],
                    tuple((name, label) for name, label in further if label is not None),
                )

        async def ask(usable: Classifiers) -> None:
            classifications.clear()
            await self._ask_each(usable, customers, note)

        await self._ask_safely(ask)
        return classifications

    async def count_labels(self) -> list[tuple[str, str, int]]:
        """Customers by dimension and label; in the store alone, where no classifier is a function."""
        counted: Counter[tuple[str, str]] = Counter()

        def note(ids: Sequence[int], labels: Labels) -> None:
            for name, each in labels.items():
                counted.update((name, label) for label in each if label is not None)

        async def ask(usable: Classifiers) -> None:
            counted.clear()
            if usable.functions:
                await self._ask_each(usable, None, note)
                return
            async with self.store.read(self.business) as unit:
                counts = await unit.classified.count_labels(self.span, self.settings, self.decimals, usable)
            counted.update({(dimension, label): count for dimension, label, count in counts})

        await self._ask_safely(ask)
        return [(*key, count) for key, count in counted.items()]

    async def _ask_each(
        self, usable: Classifiers, customers: Sequence[int] | None, note: Callable[[Sequence[int], Labels], None]
    ) -> None:
        async with self.store.read(self.business) as unit:
            asked = unit.classified.load_batches(self.span, self.settings, self.decimals, usable, customers)
            async for batch in asked:
                # A function may take long, and must not hold up the other requests.
                note(batch.ids, await asyncio.to_thread(usable.decide_labels, batch))

    async def _ask_safely(self, ask: Callable[[Classifiers], Awaitable[None]]) -> None:
        try:
            await ask(self.classifiers)
        except ClassifierFailed:
            names = ", ".join(one.name for one in self.classifiers.sql)
            log.warning("the sql of a classifier failed (%s); built-in labels stand", names)
            await ask(self.classifiers.without_sql())


MAXIMUM_ITEMS = 1000


@dataclass(frozen=True, slots=True)
class Customers:
    """The customers of a business, as the services see them."""

    store: Store
    clock: Clock
    cache: Cache
    classifiers: Classifiers = field(default_factory=Classifiers)

    def find_today(self, business: Business) -> date:
        return to_local_date(self.clock(), load_zone(business.time_zone))

    def to_revenue(self, business: Business, totals: CustomerTotals) -> Decimal:
        """The customer's revenue in major units."""
        return to_decimal(totals.revenue, find_exponent(business.currency))

    async def load_quintiles(self, business: Business, span: Span) -> Quintiles:
        """The cut values of a window."""

        async def make() -> Quintiles:
            async with self.store.read(business) as unit:
                return await unit.reports.compute_quintiles(span)

        key = f"quintiles:{business.id}:{business.data_version}:{span.first_day}:{span.last_day}:{span.storefront_id}"
        return (await self.cache.get_or_make(key, make)).value

    async def find_measure(self, business: Business) -> tuple[Span, Quintiles]:
        """The window of customers' own scores, and its cut values."""
        span = build_rfm_span(business, self.find_today(business).toordinal())
        return span, await self.load_quintiles(business, span)

    async def compute_scores(self, business: Business, totals: Mapping[int, CustomerTotals]) -> dict[int, Score | None]:
        """The customers' own scores; None for one who never bought."""
        span, quintiles = await self.find_measure(business)
        async with self.store.read(business) as unit:
            window = await unit.reports.load_window_totals(list(totals), span)
        return {key: score_customer(each, window.get(key), span, quintiles) for key, each in totals.items()}

    async def load_thresholds(
        self, business: Business, scores: Sequence[Score]
    ) -> dict[Score, tuple[ScoreThreshold, ...]]:
        """What the shop's customers must have for each of the scores, which are customers' own."""
        span, quintiles = await self.find_measure(business)
        return {score: find_thresholds(score, quintiles, span.days, business.currency) for score in scores}

    async def load_classifications(
        self, business: Business, totals: Mapping[int, CustomerTotals]
    ) -> dict[int, Classification]:
        """The labels of each customer as of today; all missing without a purchase."""
        today = self.find_today(business)
        bought = [each.first_day for each in totals.values() if each.first_day is not None]
        how = build_labelling(business, today, min(bought, default=None))
        if self.classifiers.every:
            asked = ClassifierLabels(self.store, business, how.span, how.settings, how.decimals, self.classifiers)
            labels = await asked.load_labels(list(totals))
            return {key: labels.get(key, Classification()) for key in totals}
        async with self.store.read(business) as unit:
            facts = await unit.reports.load_classification_facts(list(totals), how.span)
        return {key: classify(facts.get(key), how.settings, today, how.decimals) for key in totals}

    async def upsert(
        self,
        business: Business,
        items: Sequence[NewCustomer],
        actor: Actor,
        *,
        limit: int = MAXIMUM_ITEMS,
        known_only: bool = False,
    ) -> WriteCounts:
        """Write them all or nothing; InvalidInput carries every problem with its index. `known_only` leaves out those
        who are not in the store yet, or were erased. An attribute that appears for the first time gets the kind of its
        value."""
        items, wrong = _normalise(items)
        problems = _find_problems(items, wrong, limit)
        if problems:
            raise InvalidInput.of(join_problems(problems, read_attributes(business, items, "customer")[2]))
        async with self.store.write(business) as unit:
            items = await keep_attributes(unit, items, "customer")
            if known_only:
                known = await unit.customers.find_known([item.external_id for item in items])
                there = {name for name, (_, erased) in known.items() if not erased}
                items = [item for item in items if item.external_id in there]
            counts, refused = await unit.customers.upsert(items, unit.business.time_zone)
            if refused:
                raise InvalidInput.of([to_field_problem("external_id", refusal) for refusal in refused])
            if counts.created or counts.updated:
                await unit.mark_data_changed()
            customers = name_touched(item.external_id for item in items)
            await unit.audit(actor, "upsertCustomers", None, {**asdict(counts), "customers": customers})
            await unit.mark_done(actor, **asdict(counts))
        return counts

    async def declare_attributes(
        self, business: Business, kinds: Mapping[str, AttributeKind], actor: Actor
    ) -> Business:
        """Fix the kinds of attributes of customers before there are values; InvalidInput where one has another kind
        already, or there are too many. The business as it is then."""
        async with self.store.write(business) as unit:
            known = add_kinds(unit.business.attributes, "customer", kinds)
            await keep_kinds(unit, known)
            if known != unit.business.attributes:
                detail = {name: kind.value for name, kind in kinds.items()}
                await unit.audit(actor, "declareAttributes", None, {"customer": detail})
        return replace(business, attributes=known)


def _normalise(items: Sequence[NewCustomer]) -> tuple[list[NewCustomer], list[list[FieldProblem]]]:
    """The items with ids and texts as they are kept, and what is wrong with the id of each."""
    read = [read_id(item.external_id, ("input", str(index), "external_id")) for index, item in enumerate(items)]
    kept = []
    for item, (key, _) in zip(items, read, strict=True):
        texts: dict[str, Any] = {name: compose_optional(getattr(item, name)) for name in PROFILE_TEXTS}
        kept.append(replace(item, external_id=key, **texts))
    return kept, [wrong for _, wrong in read]


def _find_problems(
    items: Sequence[NewCustomer], wrong_ids: Sequence[list[FieldProblem]], limit: int
) -> list[FieldProblem]:
    if len(items) > limit:
        return [FieldProblem(("input",), f"input must hold at most {limit} items", "LIMIT_REACHED")]
    problems: list[FieldProblem] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        where = ("input", str(index))
        problems += wrong_ids[index]
        if item.external_id and item.external_id in seen:
            message = Sentence("{external_id} stands in the input twice")
            problems.append(FieldProblem((*where, "external_id"), message))
        seen.add(item.external_id)
        for name in ("external_id", *PROFILE_TEXTS):
            problems += find_text_problems((*where, name), getattr(item, name))
        if item.registered_at is not None:
            try:
                to_utc(item.registered_at, load_zone("UTC"))
            except ValueError as error:
                problems.append(FieldProblem((*where, "registered_at"), Sentence("{registered_at} {}", error)))
    return problems
