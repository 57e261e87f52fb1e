"""Runs of many segments and customers who changed, both evaluated together: the same members as of each segment alone,
by as many statements however many segments there are, and whoever fails fails alone."""

import random
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text

from domain.jobs.model import JobStatus
from domain.model import NewCustomer
from domain.segments import runner
from domain.segments.model import Definition, MembershipSource, Segment, SegmentCriteria
from domain.store import MOST_TOGETHER
from gql.composition import Services
from persistence.database.engines import Database
from persistence.evaluation import SqlEvaluation
from tests.conftest import examples
from tests.drivers.interrupted import before_writing
from tests.drivers.working import ACTOR, Working
from tests.persistence.conftest import statements
from tests.persistence.jobs.conftest import DAY, OVER_10, over, uses
from tests.persistence.jobs.test_following_cost import fill
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {f"C{number}": number * 170 for number in range(12)}
LEVELS = ("GOLD", "SILVER")
SPENT_MORE = {"some": [{"var": "purchases"}, {">": [{"var": "amount"}, 5]}]}
LABELLED = {"==": [{"var": "spending_label"}, "Low Value"]}


def draw_rule(chance: random.Random, keys: list[str]) -> object:
    """A rule of a few conditions, some of them of other segments."""
    parts: list[object] = [
        over(chance.randrange(20)),
        {"<": [{"var": "order_count"}, chance.randrange(4)]},
        {"==": [{"var": "loyalty_level"}, chance.choice(LEVELS)]},
        SPENT_MORE,
        LABELLED,
        *(uses(key) for key in chance.sample(keys, min(2, len(keys)))),
    ]
    chosen = [part if chance.random() < 0.7 else {"!": part} for part in chance.sample(parts, chance.randint(1, 3))]
    return {chance.choice(("and", "or")): chosen}


async def draw_segments(working: Working, chance: random.Random, count: int) -> list[Segment]:
    """Segments with random rules and criteria, some of which use others, and a few members put in by hand."""
    hand = await working.by_hand("hand")
    made: list[Segment] = []
    for number in range(count):
        keys = ["hand", *(each.key for each in made)]
        criteria = SegmentCriteria(min_orders=chance.randrange(3)) if chance.random() < 0.3 else None
        definition = Definition(draw_rule(chance, keys), criteria)
        # Of any order by name, so that it is no order of their work.
        made.append(await working.define(f"{chance.randrange(10**6)}-{number}", definition))
    async with working.store.write(working.business) as unit:
        people = list(range(1, len(SPENT) + 1))
        await unit.memberships.add(hand.id, chance.sample(people, 4), unit.instant, MembershipSource.MANUAL, "ann")
        for each in made[::3]:
            await unit.memberships.add(each.id, chance.sample(people, 2), unit.instant, MembershipSource.IMPORT, "file")
    return made


async def change_customers(services: Services, working: Working, chance: random.Random, number: int) -> None:
    names = chance.sample(sorted(SPENT), 4)
    bought = [purchase(name, f"N{number}-{name}", DAY, chance.randrange(1_000)) for name in names]
    await services.purchases.record(working.business, bought, ACTOR)
    levels = [NewCustomer(name, loyalty_level=chance.choice(LEVELS)) for name in chance.sample(sorted(SPENT), 3)]
    await services.customers.upsert(working.business, levels, ACTOR)


async def read_members(working: Working, segments: list[Segment]) -> dict[str, list[str]]:
    return {each.key: await working.members(each) for each in segments}


@pytest.mark.parametrize(
    ("seeds", "count"), [(range(2), 8), pytest.param(range(2, 2 + examples(3, 30)), 40, marks=pytest.mark.slow)]
)
async def test_a_run_of_all_and_following_give_what_each_segment_alone_gives(
    seeds: range, count: int, working: Working, services: Services
) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        segments = await draw_segments(working, chance, count)
        for step in range(3):
            await change_customers(services, working, chance, seed * 10 + step)
            if step % 2:
                await working.handler.follow(working.business)
            else:
                job = await working.recalculations.start_all(working.business, ACTOR)
                await working.runner.run_next(working.business)
                ended = await working.job(job.id)
                assert (ended.status, ended.done, ended.total) == (JobStatus.SUCCEEDED, count, count)
            together = await read_members(working, segments)
            # Each after those that it uses, which are made before it.
            alone = [await working.calculate(each) for each in segments]

            assert [(job.entered, job.left) for job in alone] == [(0, 0)] * count
            assert await read_members(working, segments) == together
        for each in [*reversed(segments), await find_by_key(working, "hand")]:
            await services.segments.delete(working.business, each.id, ACTOR)
        while await working.worker.run_once(working.business):
            pass


async def find_by_key(working: Working, key: str) -> Segment:
    async with working.store.read(working.business) as unit:
        return (await unit.segments.find_by_keys([key]))[key]


async def count_statements(working: Working, work: Any) -> Counter[str]:
    with statements(working.store.database) as seen:
        await work()
    return Counter(" ".join(one.split()[:3]) for one in seen)


async def test_segments_are_evaluated_by_one_statement_and_written_together(
    working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    monkeypatch.setattr(runner, "QUICK_SECONDS", 60.0)
    # Without the heartbeats that are due because time has passed.
    monkeypatch.setattr("domain.segments.runner._Batch.is_due", lambda batch, phase, at_once: at_once)

    async def run_all() -> None:
        await working.recalculations.start_all(working.business, ACTOR)
        assert await working.runner.run_next(working.business)

    for each in range(MOST_TOGETHER - 1):
        await working.segment(f"s{each}", over(each))
        if each in (0, 2, 6, 30, MOST_TOGETHER - 2):
            # So that nothing is left to change.
            await run_all()
            counts.append(await count_statements(working, run_all))

    assert {one["INSERT INTO evaluated"] for one in counts} == {1}
    # One of them, then two, four and so on; what is written after another one takes as many statements as that.
    assert [one["INSERT INTO membership"] for one in counts] == [1, 2, 3, 5, 6]
    written = [one.total() for one in counts]
    assert written[1] - written[0] == written[2] - written[1] == (written[3] - written[2]) / 2
    assert written[4] - written[3] == written[2] - written[1]


async def test_what_is_written_together_grows_with_the_rows_that_it_looks_at(
    working: Working, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, commit = [], runner.Runner._commit

    async def watch(self: runner.Runner, evaluation: Any, runs: Any, *given: Any) -> Any:
        written.append([segment.key for _, segment in runs])
        return await commit(self, evaluation, runs, *given)

    monkeypatch.setattr(runner.Runner, "_commit", watch)
    monkeypatch.setattr(runner, "QUICK_SECONDS", 60.0)
    monkeypatch.setattr(runner, "UNIT", 10)
    fill(database, 1_000, 2_000)
    empty = [(await working.segment(f"a{number}", over(1_000_000 + number))).key for number in range(5)]
    full = [(await working.segment(f"b{number}", over(-1 - number))).key for number in range(4)]

    await working.recalculations.start_all(working.business, ACTOR)
    assert await working.runner.run_next(working.business)

    assert written == [empty[:1], empty[1:3], empty[3:], full[:1], full[1:3], full[3:]]


async def test_customers_who_changed_follow_by_as_many_statements_however_many_segments_there_are(
    working: Working, services: Services
) -> None:
    counts = []

    async def follow() -> None:
        assert await working.handler.follow(working.business) == 2

    for number, segments in enumerate((1, 3, MOST_TOGETHER - 10)):
        async with working.store.read(working.business) as unit:
            made = len(await unit.segments.load_all())
        for each in range(made, segments):
            await working.segment(f"s{each}", over(each % 7))
        bought = [purchase(name, f"N{number}-{name}", DAY, 2_000) for name in ("C1", "C2")]
        await services.purchases.record(working.business, bought, ACTOR)
        counts.append((await count_statements(working, follow)).total())

    assert len(set(counts)) == 1, counts


async def test_more_segments_than_one_number_has_bits_for_are_evaluated_in_portions(
    working: Working, services: Services
) -> None:
    segments = [await working.segment(f"s{number}", over(number % 21)) for number in range(MOST_TOGETHER + 5)]
    expected = {
        f"s{number}": sorted(name for name, spent in SPENT.items() if spent > number % 21 * 100)
        for number in range(len(segments))
    }

    await working.recalculations.start_all(working.business, ACTOR)
    assert await working.runner.run_next(working.business)

    assert await read_members(working, segments) == expected
    await services.purchases.record(working.business, [purchase("C1", "N1", DAY, 5_000)], ACTOR)
    assert await working.handler.follow(working.business) == 1
    assert await read_members(working, segments) == {key: sorted({*names, "C1"}) for key, names in expected.items()}


@pytest.mark.parametrize(("quick", "written"), [(0.0, (1, 1, 1, 1)), (60.0, (1, 2, 1))])
async def test_what_changes_before_any_of_them_is_written_reaches_all_of_them(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch, quick: float, written: tuple[int, ...]
) -> None:
    """Written one by one where that is slow, and where it is quick ever more of them together."""
    segments = [await working.segment(f"s{number}", over(18)) for number in range(4)]
    names = iter(("C0", "C1", "C2", "C3"))
    monkeypatch.setattr(runner, "QUICK_SECONDS", quick)

    async def buy() -> None:
        name = next(names)
        await services.purchases.record(working.business, [purchase(name, f"N-{name}", DAY, 2_000)], ACTOR)

    before_writing(monkeypatch, buy)
    await working.recalculations.start_all(working.business, ACTOR)
    await working.runner.run_next(working.business)

    seen = [await working.members(each) for each in segments]
    expected = [["C0", "C11"], ["C0", "C1", "C11"], ["C0", "C1", "C11", "C2"], ["C0", "C1", "C11", "C2", "C3"]]
    assert seen == [names for names, many in zip(expected, written, strict=False) for _ in range(many)]


async def test_a_segment_that_the_database_cannot_evaluate_fails_alone(
    working: Working, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [await working.segment(f"s{number}", over(number)) for number in range(3)]
    bad = await working.segment("bad", OVER_10)
    prepare = SqlEvaluation.prepare

    async def fail_with_bad(evaluation: SqlEvaluation, trees: Any, references: Any) -> None:
        await prepare(evaluation, trees, references)
        if bad.id in trees:
            await evaluation.connection.execute(text("SELECT 1 FROM nowhere"))

    monkeypatch.setattr(SqlEvaluation, "prepare", fail_with_bad)
    job = await working.recalculations.start_all(working.business, ACTOR)
    await working.runner.run_next(working.business)

    ended = await working.job(job.id)
    assert ended.error_message == "1 of 4 segments could not be recalculated; 3 could."
    assert await working.members(bad) == []
    for number, each in enumerate(good):
        assert await working.members(each) == sorted(name for name, spent in SPENT.items() if spent > number * 100)
