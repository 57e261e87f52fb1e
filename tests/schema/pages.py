"""Lists as clients walk them: page by page to the end, or from the end to the beginning."""

from collections.abc import Mapping
from typing import Any

from tests.drivers.face import Face


async def pages(
    face: Face, query: str, path: str, variables: Mapping[str, object], *, back: bool = False
) -> list[dict[str, Any]]:
    """Every page of the connection at the path, in the order of the list."""
    turn, edge, more = ("before", "startCursor", "hasPreviousPage") if back else ("after", "endCursor", "hasNextPage")
    found: list[dict[str, Any]] = []
    cursor = None
    while not found or found[-1]["pageInfo"][more]:
        page: Any = await face.data(query, {**variables, turn: cursor})
        for name in path.split("."):
            page = page[int(name) if name.isdigit() else name]
        found.append(page)
        cursor = page["pageInfo"][edge]
    return found[::-1] if back else found
