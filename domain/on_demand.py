"""What only some runs need is loaded when they ask for it, so that the others neither wait for it nor hold it: a
command, a kind of source, a library that takes long to load."""

from importlib import import_module
from typing import Any


def loaded(place: str) -> Any:
    """What stands at the place, such as "gql.cli_serve:serve_app", which the architecture test takes for an import."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
