"""Nouns that speak of each other find one another through the schema: no file must import one that imports it."""

from typing import Any

from gql.context import Info


def noun(info: Info, name: str) -> Any:
    """The class of the schema's type of that name."""
    found: Any = info.schema.get_type_by_name(name)
    return found.origin
