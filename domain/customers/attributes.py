"""Attributes on their way into the store: those of many customers or purchases are read together, and what the business
names for the first time is kept with it in the same transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from domain.attributes import AttributeReader, Owner
from domain.calendar import load_zone
from domain.errors import FieldProblem, InvalidInput
from domain.model import AttributeKinds, Business, NewCustomer, NewPurchase
from domain.store import Unit

T = TypeVar("T", NewCustomer, NewPurchase)


def read_attributes(
    business: Business, items: Sequence[T], owner: Owner
) -> tuple[Sequence[T], AttributeKinds, list[FieldProblem]]:
    """The items with values of their kinds, what is known then, and what is wrong."""
    if all(item.attributes == {} for item in items):
        return items, business.attributes, []
    reader = AttributeReader(business.attributes, owner, load_zone(business.time_zone))
    problems: list[FieldProblem] = []
    read = [
        replace(item, attributes=reader.read(item.attributes, ("input", str(index), "attributes"), problems))
        for index, item in enumerate(items)
    ]
    return read, reader.known, problems


def join_problems(problems: list[FieldProblem], more: list[FieldProblem]) -> list[FieldProblem]:
    """Both, by their items; of an input as a whole nothing is said of its items."""
    if any(len(each.field) == 1 for each in problems):
        return problems
    return sorted([*problems, *more], key=lambda each: int(each.field[1]))


async def keep_attributes(unit: Unit, items: Sequence[T], owner: Owner) -> Sequence[T]:
    """The items with values of their kinds; names that are new are kept. InvalidInput carries what is wrong."""
    read, known, problems = read_attributes(unit.business, items, owner)
    if problems:
        raise InvalidInput.of(problems)
    await keep_kinds(unit, known)
    return read


async def keep_kinds(unit: Unit, known: AttributeKinds) -> None:
    """Keep the kinds of attributes with the business."""
    if known != unit.business.attributes:
        await unit.save_settings({"attributes": known.as_json()})
