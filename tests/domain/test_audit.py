"""What events say of what was touched, and how many refusals have one."""

import hashlib
from collections.abc import Mapping

import pytest

from domain.audit import MOST_NAMED, MOST_REFUSALS, Refusals, compute_digest, compute_digests, name_touched
from domain.errors import Unavailable
from domain.model import Actor, AuditOutcome, AuditTarget

pytestmark = pytest.mark.anyio
Event = tuple[int, str, str, AuditTarget | None, AuditOutcome, Mapping[str, object]]


class Events:
    """A store that keeps events, unless it is out of reach, and nothing else."""

    def __init__(self) -> None:
        self.kept: list[Event] = []
        self.reachable = True

    async def audit(
        self,
        business_id: int,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        detail: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.DONE,
    ) -> None:
        if not self.reachable:
            raise Unavailable("Out of reach.")
        self.kept.append((business_id, actor.name, action, subject, outcome, detail))


def test_few_things_are_named_and_many_counted_and_digested() -> None:
    many = [f"O{number:02d}" for number in range(MOST_NAMED + 1)]

    assert name_touched([]) == []
    assert name_touched(["b", "a", "b"]) == ["a", "b"]
    assert name_touched(many[1:]) == many[1:]
    # As anybody can compute it: the sorted ids as JSON without blanks.
    written = "[" + ",".join(f'"{one}"' for one in many) + "]"
    digest = hashlib.sha256(written.encode()).hexdigest()
    assert name_touched(reversed(many)) == {"count": 21, "sha256": digest}


def test_a_digest_is_of_the_value_and_not_of_how_it_is_written() -> None:
    assert compute_digest({"a": 1, "b": [True, None]}) == compute_digest({"b": [True, None], "a": 1})
    assert compute_digest({"a": 1}) != compute_digest({"a": "1"})
    assert compute_digests(None, {}) == {"before": None, "after": hashlib.sha256(b"{}").hexdigest()}


async def refuse(refusals: Refusals, count: int, name: str = "ann", business: int = 1) -> None:
    for _ in range(count):
        await refusals.add(business, Actor(name, "r1"), "deleteSegment", None, AuditOutcome.DENIED, ["B", "A", "B"])


@pytest.mark.parametrize("ending", [False, True])
async def test_beyond_the_bound_refusals_are_one_event_at_the_end_of_the_minute_or_of_the_process(ending: bool) -> None:
    events = Events()
    refusals = Refusals(events, seconds=60 if ending else 0.01)  # type: ignore[arg-type]
    await refuse(refusals, MOST_REFUSALS + 15)
    await refuse(refusals, 2, business=2)
    await refuse(refusals, 1, name="bob")
    before = len(events.kept)

    if ending:
        await refusals.close()
    else:
        assert refusals._telling is not None
        await refusals._telling

    one: Event = (1, "ann", "deleteSegment", None, AuditOutcome.DENIED, {"codes": ["A", "B"]})
    assert events.kept[:MOST_REFUSALS] == [one] * MOST_REFUSALS
    assert before == MOST_REFUSALS + 3
    assert events.kept[before:] == [(1, "ann", "refusals", None, AuditOutcome.REFUSED, {"count": 15})]
    await refuse(refusals, 1)
    assert events.kept[before + 1 :] == [one]
    await refusals.close()
    assert len(events.kept) == before + 2


async def test_a_refusal_whose_event_cannot_be_kept_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    events.reachable = False
    refusals = Refusals(events)  # type: ignore[arg-type]

    await refuse(refusals, 1)
    await refusals.close()

    assert [record.getMessage() for record in caplog.records] == [
        "audit event not kept id=r1 action=deleteSegment outcome=DENIED"
    ]
