"""What is told of history that was compacted: whoever asks for the part that is gone learns since when it is whole."""

import pytest
from sqlalchemy import text

from domain.calendar import to_micros
from gql.schema.types.ids import encode
from tests.conftest import NOW
from tests.drivers.face import Face
from tests.drivers.working import Working

pytestmark = pytest.mark.anyio
BEFORE, SINCE = '"2024-06-15T11:59:59Z"', '"2024-06-15T12:00:00Z"'


@pytest.mark.parametrize("field", ["members(asOf: %s) { totalCount }", "changes(since: %s) { totalCount }"])
async def test_what_needs_the_part_that_is_gone_says_so(field: str, face: Face) -> None:
    working = Working.of(face.database, face.clock, await face.services.businesses.open("shop"))
    segment = await working.by_hand("vip")
    with face.database.bulk.begin() as connection:
        connection.execute(text("UPDATE business SET history_from = :at"), {"at": to_micros(NOW)})
    query = f"query($id: ID!) {{ segment(id: $id) {{ {field} }} }}"
    given = {"id": encode("Segment", working.business.id, segment.id)}

    refused = (await face.post(query % BEFORE, given)).json()["errors"][0]
    answered = await face.data(query % SINCE, given)

    assert refused["extensions"]["code"] == "HISTORY_COMPACTED"
    assert refused["message"] == "The history before 2024-06-15T12:00:00Z was compacted."
    assert answered["segment"] == {field.split("(")[0]: {"totalCount": 0}}
