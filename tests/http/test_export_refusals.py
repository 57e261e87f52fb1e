"""What there is not under /exports and /imports, and methods that are not taken: refused with a `detail`."""

import pytest

from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.shops.segmented_shop import fill

pytestmark = pytest.mark.anyio
REPORT = "/exports/segmentation"
OLDER = "/api/reports/customers/segmentation/"


async def test_what_is_not_there_is_404_with_a_detail(face: Face) -> None:
    ids = await fill(face)
    other = encode("Segment", 2, 1)

    for path in (
        f"{REPORT}.doc",
        f"/exports/segments/{ids['vip']}/members.pdf",
        f"/exports/segments/{other}/members.csv",
        "/exports/segments/nonsense/members.csv",
        f"/exports/segments/{ids['customer']}/members.csv",
    ):
        answer = await face.client.get(path, headers=face.bearer())
        assert (answer.status_code, list(answer.json())) == (404, ["detail"]), path
    for path in ("/exports", "/exports/nope", "/exports/segmentation", "/imports", "/imports/", "/imports/nope/1"):
        for method in ("GET", "OPTIONS", "POST"):
            answer = await face.client.request(method, path, headers=face.bearer() if method == "GET" else {})
            assert (answer.status_code, answer.json()) == (404, {"detail": "There is nothing here."}), path


@pytest.mark.read_only
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused_with_those_that_are_taken(face: Face, method: str) -> None:
    for path, taken in (
        (f"{REPORT}.csv", "GET, HEAD"),
        (OLDER, "GET, HEAD"),
        ("/exports/segments/x/members.csv", "GET, HEAD"),
        ("/imports/purchases/x", "GET"),
    ):
        answer = await face.client.request(method, path, headers=face.bearer())

        assert (answer.status_code, answer.headers["allow"]) == (405, taken)
        assert answer.json() == {"detail": f"Use {taken.replace(', ', ' or ')}."}
