"""Purchases: recording and deleting them. A bulk write changes everything or
nothing, and says of each wrong item which field is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from domain.audit import name_touched
from domain.calendar import Clock, load_zone, to_utc
from domain.customers.attributes import join_problems, keep_attributes, read_attributes
from domain.errors import FieldProblem, InvalidInput, Sentence, build_unknown_id, find_text_problems
from domain.identifiers import find_id, read_id
from domain.model import Actor, Business, NewPurchase, PurchaseLine, Storefront, WriteCounts
from domain.money import LARGEST
from domain.store import Store, Unit, to_field_problem
from domain.texts import compose_optional, compose_text

MAXIMUM_ITEMS = 1000
MAXIMUM_NAME = 255
ORDER_TEXTS = ("storefront_key", "channel")
LINE_TEXTS = ("category", "product", "sku")
MAXIMUM_LINES = 1000
REFUSED_FIELDS = {"FOREIGN": "external_id", "ERASED": "customer_external_id"}
"""Which field each refusal of a purchase is about."""
Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Purchases:
    """The purchases of a business, as the services see them."""

    store: Store
    clock: Clock

    async def find_storefront(self, business: Business, key: str) -> Storefront:
        """The storefront; InvalidInput where the business has none of that key."""
        async with self.store.read(business) as unit:
            storefront = await unit.purchases.find_storefront(key)
        if storefront is None:
            raise InvalidInput(f"There is no storefront with the key {key}.", ("storefront",))
        return storefront

    async def rename_storefront(self, business: Business, storefront_id: int, name: str, actor: Actor) -> Storefront:
        """The storefront under its new name, which imports leave as it is."""
        kept = compose_text(name.strip())
        problems = [] if kept else [FieldProblem(("name",), "name must not be blank", "BLANK")]
        problems += find_text_problems(("name",), kept, MAXIMUM_NAME)
        if problems:
            raise InvalidInput.of(problems)
        async with self.store.write(business) as unit:
            storefront = (await unit.purchases.find_storefronts([storefront_id])).get(storefront_id)
            if storefront is None:
                raise build_unknown_id("storefront", "id")
            if kept != storefront.name:
                await unit.purchases.name_storefronts({storefront_id: kept})
            target = ("Storefront", storefront_id)
            await unit.audit(actor, "updateStorefront", target, {"name": {"old": storefront.name, "new": kept}})
            await unit.mark_done(actor, storefront=target)
        return replace(storefront, name=kept)

    async def name_storefronts(self, business: Business, names: Mapping[str, str], actor: Actor) -> int:
        """Give the storefronts of these keys their names where they have none yet, which is where they are called by
        their keys; how many were named."""
        async with self.store.read(business) as unit:
            found = await _find_unnamed(unit, names)
        if not found:
            return 0
        async with self.store.write(business) as unit:
            # As it is now that nobody else can write.
            found = await _find_unnamed(unit, names)
            await unit.purchases.name_storefronts({one.id: name for one, name in found.items()})
            await unit.audit(actor, "nameStorefronts", None, {one.key: name for one, name in found.items()})
        return len(found)

    async def record(
        self, business: Business, items: Sequence[NewPurchase], actor: Actor, *, limit: int = MAXIMUM_ITEMS
    ) -> WriteCounts:
        """Write them all or nothing; the same purchase again is unchanged."""
        items, wrong = _normalise(items)
        problems = _find_problems(items, wrong, limit)
        if problems:
            raise InvalidInput.of(join_problems(problems, read_attributes(business, items, "purchase")[2]))
        async with self.store.write(business) as unit:
            items = await keep_attributes(unit, items, "purchase")
            counts, refused = await unit.purchases.record(items, unit.business.time_zone, self.clock())
            if refused:
                raise InvalidInput.of([to_field_problem(REFUSED_FIELDS[refusal.code], refusal) for refusal in refused])
            if counts.created or counts.updated:
                await unit.mark_data_changed()
            orders = name_touched(item.external_id for item in items)
            customers = name_touched(item.customer_external_id for item in items)
            await unit.audit(
                actor, "recordPurchases", None, {**asdict(counts), "orders": orders, "customers": customers}
            )
            await unit.mark_done(actor, **asdict(counts))
        return counts

    async def delete(self, business: Business, external_ids: Sequence[str], actor: Actor) -> int:
        """Take purchases away; those that are not there are passed over. How many were deleted."""
        if len(external_ids) > MAXIMUM_ITEMS:
            message = Sentence("{external_ids} must hold at most {} items", MAXIMUM_ITEMS)
            raise InvalidInput(message, ("external_ids",), "LIMIT_REACHED")
        orders = sorted({find_id(text, order=True) for text in external_ids})
        async with self.store.write(business) as unit:
            count = await unit.purchases.delete(orders)
            if count:
                await unit.mark_data_changed()
            await unit.audit(actor, "deletePurchases", None, {"deleted": count, "orders": name_touched(orders)})
            await unit.mark_done(actor, deleted_count=count)
        return count


async def _find_unnamed(unit: Unit, names: Mapping[str, str]) -> dict[Storefront, str]:
    """The storefronts that are called by their keys, with the other names that are said of them."""
    stored = await unit.purchases.load_storefronts()
    return {one: names[one.key] for one in stored if one.name == one.key != names.get(one.key, one.key)}


def _normalise(items: Sequence[NewPurchase]) -> tuple[list[NewPurchase], list[list[FieldProblem]]]:
    """The items with their ids as they are kept, and what is wrong with those of each."""
    kept: list[NewPurchase] = []
    problems: list[list[FieldProblem]] = []
    for index, item in enumerate(items):
        where = ("input", str(index))
        customer, wrong = read_id(item.customer_external_id, (*where, "customer_external_id"))
        order, more = read_id(item.external_id, (*where, "external_id"), order=True)
        problems.append([*wrong, *more])
        lines = tuple(replace(line, **_compose(line, LINE_TEXTS)) for line in item.lines)
        texts = _compose(item, ORDER_TEXTS)
        kept.append(replace(item, customer_external_id=customer, external_id=order, lines=lines, **texts))
    return kept, problems


def _compose(item: NewPurchase | PurchaseLine, names: Sequence[str]) -> dict[str, Any]:
    return {name: compose_optional(getattr(item, name)) for name in names}


def _find_problems(
    items: Sequence[NewPurchase], wrong_ids: Sequence[list[FieldProblem]], limit: int
) -> list[FieldProblem]:
    if len(items) > limit:
        return [FieldProblem(("input",), f"input must hold at most {limit} items", "LIMIT_REACHED")]
    problems: list[FieldProblem] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        where = ("input", str(index))
        problems += wrong_ids[index]
        if item.external_id and item.external_id in seen:
            problems.append(FieldProblem((*where, "external_id"), Sentence("{external_id} stands in the input twice")))
        seen.add(item.external_id)
        if item.amount < 0:
            problems.append(FieldProblem((*where, "amount"), "amount must not be negative"))
        if len(item.lines) > MAXIMUM_LINES:
            message = f"lines must hold at most {MAXIMUM_LINES} items"
            problems.append(FieldProblem((*where, "lines"), message, "LIMIT_REACHED"))
        texts = {
            "customer_external_id": item.customer_external_id,
            "external_id": item.external_id,
            **{name: getattr(item, name) for name in ORDER_TEXTS},
        }
        for place, line in enumerate(item.lines):
            texts.update({f"lines.{place}.{name}": getattr(line, name) for name in LINE_TEXTS})
        for name, text in texts.items():
            problems += find_text_problems((*where, *name.split(".")), text)
        amounts = {"amount": item.amount}
        amounts.update({f"lines.{place}.amount": line.amount for place, line in enumerate(item.lines)})
        for name, amount in amounts.items():
            if abs(amount) > LARGEST:
                field = (*where, *name.split("."))
                problems.append(FieldProblem(field, f"amount must be at most {LARGEST} in minor units"))
        try:
            to_utc(item.purchased_at, load_zone("UTC"))
        except ValueError as error:
            problems.append(FieldProblem((*where, "purchased_at"), Sentence("{purchased_at} {}", error)))
    return problems


async def count_due(unit: Unit, now: datetime) -> None:
    """Count every purchase whose instant has passed."""
    if await unit.purchases.count_due(now):
        await unit.mark_data_changed()
