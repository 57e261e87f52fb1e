"""How fields are asked for, worked out once a schema. A plain field says something of its object without asking
anybody: an attribute, or a method that needs nothing; it is read and written at once. Other methods are called with
their arguments as soon as they are asked, without the wrappers of the library, unless a permission or the like stands
in front of them. What is refused or fails goes the library's way, which alone says what an answer is."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from operator import attrgetter
from typing import Any

import strawberry
from graphql import GraphQLField, GraphQLResolveInfo, get_nullable_type, is_leaf_type, is_list_type, is_object_type
from graphql.pyutils import Undefined
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

GET, WRITE = "segments-get", "segments-write"
"""Where the extensions of a plain field hold what takes its value from the object, and what writes a number, a text or
the like as the schema says."""
Read = Callable[[Any], Any]


def make_reader(get: Read, write: Read, required: bool) -> Read:
    """The written value of a field; raises where the library has to say what is wrong."""

    def read(source: Any) -> Any:
        value = get(source)
        if value is None and not required:
            return None
        written = write(value)
        if written is None or written is Undefined:
            raise TypeError
        return written

    return read


def prepare_fields(schema: strawberry.Schema) -> None:
    """Work it out for every field of every object."""
    for kind in schema._schema.type_map.values():
        for definition in kind.fields.values() if is_object_type(kind) else ():
            known = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
            if isinstance(known, StrawberryField) and not known.extensions and not known.is_subscription:
                _prepare(definition, known, schema.schema_converter)


def _prepare(definition: GraphQLField, field: StrawberryField, converter: GraphQLCoreConverter) -> None:
    resolver, kind = field.base_resolver, get_nullable_type(definition.type)
    if resolver is not None:
        if resolver.self_parameter is None or resolver.root_parameter or resolver.parent_parameter:
            return
        definition.resolve = _make_resolver(field, resolver, definition, converter)
        if field.arguments or resolver.info_parameter or iscoroutinefunction(resolver.wrapped_func):
            return
    if not is_list_type(kind):
        definition.extensions[GET] = resolver.wrapped_func if resolver is not None else attrgetter(field.python_name)
        if is_leaf_type(kind):
            definition.extensions[WRITE] = kind.coerce_output_value


def _make_resolver(
    field: StrawberryField,
    resolver: StrawberryResolver[Any],
    definition: GraphQLField,
    converter: GraphQLCoreConverter,
) -> Callable[..., Any]:
    """The method, with what can be worked out beforehand of its arguments."""
    config = converter.config
    asked = {config.name_converter.from_argument(argument): argument for argument in field.arguments}
    same = {name for name in asked if is_leaf_type(get_nullable_type(definition.args[name].type))}
    wants = resolver.info_parameter

    def resolve(source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
        own = config.info_class(_raw_info=info, _field=field)
        arguments = {
            asked[name].python_name: value
            if name in same
            else convert_argument(value, asked[name].type, converter.scalar_registry, config, own, path=(name,))
            for name, value in given.items()
        }
        if wants is not None:
            arguments[wants.name] = own
        return resolver(source, **arguments)

    return resolve
