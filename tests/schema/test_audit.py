"""The audit log: every write with who, what and how it ended, newest first, for those who may edit."""

from datetime import datetime

import pytest

from domain.audit import compute_digest
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.schema.pages import pages

pytestmark = pytest.mark.anyio
CREATE = """mutation($name: String!) { createSegment(input: {name: $name, kind: MANUAL}) {
    segment { id } userErrors { message } } }"""
NODE = "query($id: ID!) { node(id: $id) { id } }"
EVENTS = """query($first: Int, $after: String, $subject: ID) {
    auditEvents(first: $first, after: $after, subjectId: $subject) {
    totalCount pageInfo { hasNextPage endCursor }
    nodes { id at actor action outcome requestId subjectId detail } } }"""


async def test_a_write_is_kept_with_who_what_and_old_and_new_values(both: Face) -> None:
    made = (await both.data(CREATE, {"name": "VIP"}))["createSegment"]["segment"]["id"]
    await both.data(
        'mutation($id: ID!) { updateSegment(input: {id: $id, name: "Best"}) { userErrors { message } } }',
        {"id": made},
        both.token("customers:view", "customers:edit", subject="editor"),
    )

    found = (await both.data(EVENTS, {"subject": made}))["auditEvents"]

    assert found["totalCount"] == 2
    update, create = found["nodes"]
    assert (create["actor"], create["action"], create["outcome"]) == ("tester", "createSegment", "DONE")
    assert (update["actor"], update["action"], update["subjectId"]) == ("editor", "updateSegment", made)
    assert update["detail"]["changes"] == {"name": {"old": "VIP", "new": "Best"}}
    assert update["requestId"]
    assert await both.data(NODE, {"id": update["id"]}) == {"node": {"id": update["id"]}}


async def test_pages_go_back_in_time_without_gaps(face: Face) -> None:
    for number in range(5):
        await face.data(CREATE, {"name": f"Segment {number}"})

    seen = [event for page in await pages(face, EVENTS, "auditEvents", {"first": 2}) for event in page["nodes"]]
    whole = (await face.data(EVENTS, {"first": 250}))["auditEvents"]

    assert seen == whole["nodes"]
    assert len(seen) == whole["totalCount"] == 5
    times = [datetime.fromisoformat(event["at"]) for event in seen]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 5


async def test_events_are_chosen_by_who_did_what_and_how_it_ended(both: Face) -> None:
    editor = both.token("customers:view", "customers:edit", subject="editor")
    made = (await both.data(CREATE, {"name": "VIP"}, editor))["createSegment"]["segment"]["id"]
    await both.data(CREATE, {"name": "vip"})
    await both.data(CREATE, {"name": "Best"})
    await both.data("mutation($id: ID!) { deleteSegment(id: $id) { userErrors { code } } }", {"id": made}, editor)
    chosen = """query($by: String, $action: String, $outcome: String, $subject: ID) {
      auditEvents(by: $by, action: $action, outcome: $outcome, subjectId: $subject) {
        totalCount nodes { actor action outcome } } }"""

    async def find(**which: str) -> list[tuple[str, str, str]]:
        found = (await both.data(chosen, which))["auditEvents"]
        assert found["totalCount"] == len(found["nodes"])
        return [(node["actor"], node["action"], node["outcome"]) for node in found["nodes"]]

    assert await find(by="editor") == [("editor", "deleteSegment", "DONE"), ("editor", "createSegment", "DONE")]
    assert await find(action="deleteSegment") == [("editor", "deleteSegment", "DONE")]
    assert await find(outcome="REFUSED") == [("tester", "createSegment", "REFUSED")]
    assert await find(by="tester", action="createSegment", outcome="DONE") == [("tester", "createSegment", "DONE")]
    assert await find(subject=made, action="createSegment") == [("editor", "createSegment", "DONE")]
    assert [await find(by=name) for name in ("Editor", "a\0b", "")] == [[], [], []]


async def test_who_may_only_view_does_not_see_the_log(face: Face) -> None:
    await face.data(CREATE, {"name": "VIP"})
    event = (await face.data(EVENTS))["auditEvents"]["nodes"][0]["id"]
    viewer = face.token("customers:view")

    assert await face.code(EVENTS, None, viewer) == "FORBIDDEN"
    assert await face.data(NODE, {"id": event}, viewer) == {"node": None}


async def test_another_businesss_events_are_not_there(face: Face) -> None:
    made = (await face.data(CREATE, {"name": "VIP"}))["createSegment"]["segment"]["id"]
    event = (await face.data(EVENTS))["auditEvents"]["nodes"][0]["id"]
    other = face.token("customers:view", "customers:edit", business="other")

    assert (await face.data(EVENTS, None, other))["auditEvents"]["nodes"] == []
    assert await face.data(NODE, {"id": event}, other) == {"node": None}
    assert (await face.data(EVENTS, {"subject": made}, other))["auditEvents"]["totalCount"] == 0
    assert (await face.data(EVENTS, {"subject": "nonsense"}))["auditEvents"]["totalCount"] == 0


async def test_a_refused_write_changes_nothing_and_is_told(face: Face) -> None:
    await face.data(CREATE, {"name": "VIP"})
    await face.data(CREATE, {"name": "vip"})

    refused, done = (await face.data(EVENTS))["auditEvents"]["nodes"]
    assert (done["action"], done["outcome"]) == ("createSegment", "DONE")
    assert (refused["action"], refused["outcome"], refused["detail"]) == (
        "createSegment",
        "REFUSED",
        {"codes": ["TAKEN"]},
    )
    assert (await face.data(EVENTS, {"subject": encode("Segment", 1, 99)}))["auditEvents"]["totalCount"] == 0


async def test_definitions_have_digests_before_and_after(face: Face) -> None:
    rule = '"{\\"\\u003e\\": [{\\"var\\": \\"order_count\\"}, 3]}"'
    made = (
        f'mutation {{ createSegment(input: {{name: "Rich", kind: AUTOMATIC, rules: {rule}}}) {{ segment {{ id }} }} }}'
    )
    key = (await face.data(made))["createSegment"]["segment"]["id"]
    await face.data(
        'mutation($id: ID!) { updateSegment(input: {id: $id, name: "Best"}) { userErrors { code } } }', {"id": key}
    )
    await face.data('mutation { updateBusinessSettings(settings: "{\\"lapsed_days\\": 120}") { userErrors { code } } }')
    await face.data("mutation($id: ID!) { deleteSegment(id: $id) { userErrors { code } } }", {"id": key})

    deleted, settings, renamed, created = [
        event["detail"] for event in (await face.data(EVENTS))["auditEvents"]["nodes"]
    ]

    definition = {"rules": {">": [{"var": "order_count"}, 3]}, "criteria": None, "rfmConfig": None}
    digest = compute_digest(definition)
    assert (created["before"], created["after"]) == (None, digest)
    assert (renamed["before"], renamed["after"]) == (digest, digest)
    assert (deleted["before"], deleted["after"]) == (digest, None)
    assert (settings["before"], settings["after"]) == (compute_digest({}), compute_digest({"lapsed_days": 120}))
