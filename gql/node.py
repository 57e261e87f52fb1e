"""What has a global id."""

import strawberry


@strawberry.interface(description="Anything that has a global id and can be fetched again by `node`.")
class Node:
    """Anything with a global id."""

    id: strawberry.ID = strawberry.field(description="Global id of the object; opaque, unique and lasting.")
