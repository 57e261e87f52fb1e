"""Fields that are read at once and methods that are called at once say what the library's own way says, errors
included."""

from collections.abc import AsyncIterator
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, cast

import pytest
import strawberry
from graphql import ExecutionResult
from strawberry.schema.config import StrawberryConfig

from gql.schema import fields
from gql.schema.executor import PacedExecutor
from gql.schema.fields import prepare_fields
from gql.schema.pacing import Pace
from gql.schema.types.scalars import build_scalar_map

pytestmark = pytest.mark.anyio


@strawberry.enum
class Colour(Enum):
    """Of a leaf."""

    RED = "red"
    GREEN = "green"


@strawberry.interface
class Named:
    """What has a name."""

    name: str


@strawberry.input
class Wish:
    """An argument that is an object."""

    how_many: int = 1
    colours: list[Colour] = strawberry.field(default_factory=lambda: [Colour.RED])


@strawberry.type
class Stem(Named):
    """All of whose fields are plain."""

    length: int
    colour: Colour | None = None


@strawberry.type
class Leaf(Named):
    """With everything that a field can be."""

    size: int
    weight: Decimal | None = None
    colour: Colour = Colour.GREEN
    tags: list[str] = strawberry.field(default_factory=lambda: ["a", "b"])
    stem: Stem | None = None
    other: Named | None = None

    @strawberry.field
    def twice(self) -> int:
        """A plain method."""
        return self.size * 2

    @strawberry.field
    def bad(self) -> int | None:
        """A plain method that fails for some."""
        if self.size == 2:
            raise ValueError("no such thing")
        return self.size

    @strawberry.field
    def needed(self) -> str:
        """One that must not be null, and is for some."""
        return cast(str, None if self.size == 1 else "there")

    @strawberry.field
    async def later(self, info: strawberry.Info, how_many: int = 3) -> list[str]:
        """A method that waits."""
        return [f"{info.field_name} {self.name}"] * how_many

    @strawberry.field
    def wished(
        self, wish: Wish, colour: Annotated[Colour | None, strawberry.argument(name="tint")] = Colour.RED
    ) -> list[str]:
        """A method with arguments of every form."""
        return [f"{colour and colour.value} {one.value}" for one in wish.colours] * wish.how_many


@strawberry.type
class Query:
    """Where it begins."""

    @strawberry.field
    def leaves(self) -> list[Leaf | None]:
        """Some are wrong."""
        good = Leaf(name="good", size=3, weight=Decimal("1.50"), stem=Stem(name="s", length=1, colour=Colour.RED))
        unsized = Leaf(name="unsized", size=cast(int, "wide"), other=Stem(name="o", length=2))
        return [good, unsized, None, Leaf(name="one", size=1), Leaf(name="two", size=2)]

    @strawberry.field
    def stems(self) -> list[Stem]:
        """One of them is something else."""
        return [Stem(name="a", length=1), cast(Stem, Leaf(name="leaf", size=1))]

    @strawberry.field
    def sound(self) -> list[Stem]:
        """All as they should be."""
        return [Stem(name=str(n), length=n, colour=[None, *Colour][n % 3]) for n in range(4)]


@strawberry.type
class Subscription:
    """Not a method that is called at once."""

    @strawberry.subscription
    async def leaf(self) -> AsyncIterator[Leaf]:
        """One."""
        yield Leaf(name="sent", size=4)


DOCUMENTS = {
    "all of an object": "{ leaves { name size weight colour tags } }",
    "objects within": "{ leaves { stem { name length colour } other { __typename name ... on Stem { length } } } }",
    "plain methods": "{ leaves { twice bad } }",
    "a null that must not be": "{ leaves { name needed } }",
    "names of one's own": "{ leaves { b: name a: size __typename later(howMany: 2) c: name } }",
    "wrong objects": "{ stems { name length } sound { name colour } }",
    "fragments": "{ sound { ...S } leaves { ...L } } fragment S on Stem { length } fragment L on Leaf { colour later }",
    "what is left out": "query ($no: Boolean = false) { sound { name @include(if: $no) length @skip(if: $no) } }",
    "nothing but what is left out": "query ($no: Boolean = false) { sound { name @include(if: $no) } }",
    "arguments": "{ leaves { wished(wish: {howMany: 2, colours: [GREEN, RED]}, tint: null) x: wished(wish: {}) } }",
    "variables": "query ($w: Wish! = {howMany: 1}, $c: Colour = GREEN) { leaves { wished(wish: $w, tint: $c) } }",
}


def build(prepared: bool) -> strawberry.Schema:
    """The schema, as ours or as the library makes it."""
    schema = strawberry.Schema(
        query=Query,
        subscription=Subscription,
        types=[Stem],
        execution_context_class=PacedExecutor if prepared else None,
        config=StrawberryConfig(scalar_map=build_scalar_map()),
    )
    if prepared:
        prepare_fields(schema)
    return schema


async def answer(schema: strawberry.Schema, document: str) -> tuple[Any, list[Any]]:
    """Data and errors, as they are sent."""
    result = await schema.execute(document, context_value=SimpleNamespace(pace=Pace()))
    return result.data, [error.formatted for error in result.errors or []]


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_what_is_read_at_once_is_what_the_library_says(document: str, caplog: pytest.LogCaptureFixture) -> None:
    ours, library = await answer(build(True), document), await answer(build(False), document)

    assert ours == library
    # In the order that was asked for, too.
    assert repr(ours[0]) == repr(library[0])


async def test_a_subscription_is_left_as_it_is() -> None:
    results = await build(True).subscribe(
        "subscription { leaf { name twice later } }", context_value=SimpleNamespace(pace=Pace())
    )

    sent = [cast(ExecutionResult, result).data async for result in results]

    assert sent == [{"leaf": {"name": "sent", "twice": 8, "later": ["later sent"] * 3}}]


async def test_plain_objects_of_a_list_do_not_go_the_librarys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[str] = []
    execute = PacedExecutor.execute_field

    def note(self: PacedExecutor, parent: Any, source: Any, details: Any, *rest: Any) -> Any:
        executed.append(details[0].node.name.value)
        return execute(self, parent, source, details, *rest)

    monkeypatch.setattr(PacedExecutor, "execute_field", note)

    await answer(build(True), "{ sound { name length colour } leaves { name later } }")

    assert executed == ["sound", "leaves", *["later"] * 4]
    assert fields.GET not in build(False)._schema.query_type.fields["sound"].extensions  # type: ignore[union-attr]
