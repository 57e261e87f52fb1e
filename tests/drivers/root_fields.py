"""Every root field of the schema with a call of it that is well-formed, so that a test can try them all."""

from dataclasses import dataclass

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
    is_composite_type,
    is_required_argument,
    is_required_input_field,
)

from gql.schema.schema import make_schema
from gql.settings import Settings

LITERALS = {
    "ID": '"Q3VzdG9tZXI6MS4x"',
    "String": '"x"',
    "Int": "1",
    "Float": "1.5",
    "Boolean": "false",
    "Decimal": '"1.50"',
    "Date": '"2024-01-01"',
    "DateTime": '"2024-01-01T00:00:00Z"',
    "JSON": '"{}"',
}


@dataclass(frozen=True)
class RootField:
    """A field of a root type with a call of it that is well-formed."""

    name: str
    given: dict[str, str]
    selection: str
    ids: tuple[str, ...]

    @property
    def document(self) -> str:
        return self.ask_with({})

    def ask_with(self, arguments: dict[str, str]) -> str:
        """The call with some arguments of one's own."""
        operation, _, field = self.name.partition(" ")
        given = ", ".join(f"{key}: {value}" for key, value in {**self.given, **arguments}.items())
        return f"{operation} {{ {field}{f'({given})' if given else ''}{self.selection} }}"


def literal(kind: GraphQLInputType) -> str:
    """A value of the type."""
    if isinstance(kind, GraphQLNonNull):
        return literal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return f"[{literal(kind.of_type)}]"
    if isinstance(kind, GraphQLEnumType):
        return str(next(iter(kind.values)))
    if isinstance(kind, GraphQLInputObjectType):
        needed = [(name, field.type) for name, field in kind.fields.items() if is_required_input_field(field)]
        return "{" + ", ".join(f"{name}: {literal(inner)}" for name, inner in needed) + "}"
    return LITERALS[kind.name]


def root_fields(schema: GraphQLSchema) -> list[RootField]:
    """All of them, of every kind of operation."""
    found = []
    for operation, root in (
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
        ("subscription", schema.subscription_type),
    ):
        for name, field in root.fields.items() if root else ():
            given = {key: literal(one.type) for key, one in field.args.items() if is_required_argument(one)}
            kind = get_named_type(field.type)
            selection = " { __typename }" if is_composite_type(kind) else ""
            # What tells answers apart.
            for part, shown in (("totalCount", "totalCount"), ("userErrors", "userErrors { field message code }")):
                if part in getattr(kind, "fields", {}):
                    selection = f" {{ {shown} }}"
            ids = tuple(key for key, one in field.args.items() if get_named_type(one.type).name == "ID")
            found.append(RootField(f"{operation} {name}", given, selection, ids))
    return found


FIELDS = root_fields(make_schema(Settings())._schema)
