"""`make soak MINUTES=60`: a shop in full use for so long, half of it on each database, while a worker is killed each
minute and the database is restarted once. In the end the store is compared with what was acknowledged, memory and open
files with the start. Prints a table; the exit code is 1 where anything is not explained."""

import argparse
import asyncio
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from gql.auth import issue_token
from tests.drivers.face import EVERYTHING, SECRET
from tests.soak import traffic
from tests.soak.client import Client, Ended, Record, Refused
from tests.soak.machine import MEGABYTE, Held, Machine, open_machine
from tests.soak.shop import DYNAMIC_OVER, STATIC_FROM, Ledger

KILLED_EVERY = 60.0
WARM_SECONDS, QUIET_SECONDS, CATCH_UP_SECONDS = 20.0, 8.0, 5.0
MORE_MEMORY, MORE_FILES = 150 * MEGABYTE, 12
"""What a worker may hold more in the end than when it was warm."""
CREATE = """mutation($input: CreateSegmentInput!) { createSegment(input: $input) {
  segment { id } recalculation { id } userErrors { message } } }"""
DYNAMIC = {"name": "Spenders", "rules": {">": [{"var": "total_revenue"}, int(DYNAMIC_OVER)]}, "isDynamic": True}
STATIC = {"name": "Frequent", "rules": {">=": [{"var": "order_count"}, STATIC_FROM]}, "isDynamic": False}
BY_HAND = {"name": "By hand", "kind": "MANUAL"}
CUSTOMERS = """query($after: String) { customers(first: 250, after: $after) {
  nodes { externalId metrics { orderCount totalRevenue } } pageInfo { hasNextPage endCursor } } }"""
MEMBERS = """query($id: ID!, $after: String) { segment(id: $id) { memberCount members(first: 250, after: $after) {
  nodes { externalId } pageInfo { hasNextPage endCursor } } } }"""
SNAPSHOTS = """query($id: ID!, $after: String) { segment(id: $id) { snapshots(first: 250, after: $after) {
  nodes { snapshotDate } pageInfo { hasNextPage endCursor } } } }"""
REPORT = "{ segmentationReport { customerCount totalRevenue } }"
RUN = "mutation($id: ID!) { recalculateSegment(segmentId: $id) { recalculation { id } userErrors { code } } }"


@dataclass(slots=True)
class Result:
    """What a soak on one database came to."""

    kind: str
    record: Record
    ledger: Ledger
    warm: Held
    after: Held


async def soak(machine: Machine, kind: str, seconds: float) -> Result:
    """Everything at once for so long, then the comparison."""
    record, ledger, ending = machine.record, Ledger(), asyncio.Event()

    def make_client(who: str) -> Client:
        return Client(who, machine.server.url, make_token(who, seconds), record, ending)

    first = make_client("owner")
    segments = [await make_segment(first, one) for one in (DYNAMIC, STATIC, BY_HAND)]
    dynamic, static, by_hand = segments
    copies = [traffic.Copy(dynamic), traffic.Copy(by_hand)]
    follows = [traffic.follow_changes(make_client(f"follower{n}"), Random(n), one) for n, one in enumerate(copies)]
    work = [asyncio.create_task(stop_at_the_end(one)) for one in follows]
    # A copy is only as whole as its beginning: until the first change it has no place to go on from.
    await asyncio.sleep(2)
    users = [
        *(traffic.read(make_client(f"dashboard{n}"), Random(n)) for n in range(3)),
        *(traffic.record_purchases(make_client(f"till{n}"), Random(n), ledger) for n in range(2)),
        traffic.send_files(make_client("files1"), Random(1), ledger),
        traffic.recalculate(make_client("marketer1"), Random(2), [dynamic, static]),
        traffic.keep_by_hand(make_client("hand1"), Random(3), ledger, by_hand),
        *(traffic.abandon_exports(make_client(f"exporter{n}"), Random(n), dynamic) for n in range(2)),
        traffic.probe_health(machine.server.url, record, ending),
    ]
    work += [asyncio.create_task(stop_at_the_end(one)) for one in users]
    await asyncio.sleep(WARM_SECONDS)
    warm = machine.measure()
    work.append(asyncio.create_task(machine.disturb(seconds - WARM_SECONDS, KILLED_EVERY, ending)))
    await asyncio.sleep(seconds - WARM_SECONDS)
    ending.set()
    for task in asyncio.as_completed(work):
        try:
            await task
        except Exception as error:
            record.find(f"a user ended with {type(error).__name__}: {error}")
    after_work = make_client("auditor")
    after_work.ending = asyncio.Event()
    try:
        await compare(after_work, ledger, dynamic, static, by_hand)
        await compare_copies(after_work, copies)
    except Refused as error:
        record.find(f"the comparison ended: {error}")
    await asyncio.sleep(QUIET_SECONDS)
    return Result(kind, record, ledger, warm, machine.measure())


async def stop_at_the_end(work: Any) -> None:
    with suppress(Ended):
        await work


async def make_segment(client: Client, given: dict[str, Any]) -> str:
    made = (await client.ask(CREATE, {"input": given}))["createSegment"]
    if made["recalculation"]:
        await traffic.follow_job(client, made["recalculation"]["id"], "a first run")
    return str(made["segment"]["id"])


def make_token(who: str, seconds: float) -> str:
    lifetime = timedelta(seconds=seconds + 3600)
    now = datetime.now(UTC)
    return issue_token(SECRET, subject=who, business="shop", permissions=EVERYTHING, lifetime=lifetime, now=now)


async def compare(client: Client, ledger: Ledger, dynamic: str, static: str, by_hand: str) -> None:
    """The store against the ledger: customers and their totals, members, snapshots, the report."""
    for segment in (dynamic, static):
        while True:
            payload = (await client.ask(RUN, {"id": segment}))["recalculateSegment"]
            await traffic.follow_job(client, payload["recalculation"]["id"], "the last run")
            if not payload["userErrors"]:
                break
    sums = ledger.sum_up()
    nodes = await load_all(client, CUSTOMERS, {}, "customers")
    stored = {
        node["externalId"]: (node["metrics"]["orderCount"], Decimal(node["metrics"]["totalRevenue"])) for node in nodes
    }
    differ(client.record, "customers and their totals", stored, sums)
    expected = {
        dynamic: {one for one, (_, total) in sums.items() if total > DYNAMIC_OVER},
        static: {one for one, (count, _) in sums.items() if count >= STATIC_FROM},
        by_hand: ledger.by_hand,
    }
    for name, segment in (("dynamic", dynamic), ("static", static), ("by hand", by_hand)):
        members = {
            node["externalId"] for node in await load_all(client, MEMBERS, {"id": segment}, "segment", "members")
        }
        differ(
            client.record, f"members of the {name} segment", dict.fromkeys(members), dict.fromkeys(expected[segment])
        )
        told = (await client.ask(MEMBERS, {"id": segment}))["segment"]["memberCount"]
        if told != len(members):
            client.record.find(f"the {name} segment counts {told} members and lists {len(members)}")
    snapshots = [
        one["snapshotDate"] for one in await load_all(client, SNAPSHOTS, {"id": by_hand}, "segment", "snapshots")
    ]
    if sorted(snapshots) != sorted(ledger.snapshots):
        client.record.find(f"{len(snapshots)} snapshots by hand, of which {len(ledger.snapshots)} were acknowledged")
    report = (await client.ask(REPORT))["segmentationReport"]
    told = (report["customerCount"], Decimal(report["totalRevenue"]))
    buyers = sum(count > 0 for count, _ in sums.values())
    total = sum((total for _, total in sums.values()), Decimal(0))
    if told != (buyers, total):
        client.record.find(f"the report says {told} and not {(buyers, total)}")


async def compare_copies(client: Client, copies: list[traffic.Copy]) -> None:
    """What followers made of the changes, when they have read the last ones."""
    for number, copy in enumerate(copies):
        reading = asyncio.create_task(traffic.follow_changes(client, Random(number), copy))
        await asyncio.sleep(CATCH_UP_SECONDS)
        client.ending.set()
        await reading
        client.ending.clear()
        listed = await load_all(client, MEMBERS, {"id": copy.segment}, "segment", "members")
        members = {node["externalId"] for node in listed}
        differ(client.record, f"copy {number} of changes", dict.fromkeys(copy.members), dict.fromkeys(members))


async def load_all(client: Client, query: str, variables: dict[str, Any], *path: str) -> list[dict[str, Any]]:
    """The nodes of every page."""
    after, found = None, list[dict[str, Any]]()
    while True:
        page: Any = await client.ask(query, {**variables, "after": after})
        for name in path:
            page = page[name]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


def differ(record: Record, what: str, stored: dict[str, Any], expected: dict[str, Any]) -> None:
    """A finding for what differs, with the first three."""
    wrong = [key for key in stored.keys() | expected.keys() if stored.get(key, "-") != expected.get(key, "-")]
    if wrong:
        shown = ", ".join(
            f"{key}: {stored.get(key, '-')} and not {expected.get(key, '-')}" for key in sorted(wrong)[:3]
        )
        record.find(f"{what}: {len(wrong)} of {len(expected)} differ, such as {shown}")


def show(result: Result, seconds: float) -> None:
    """The table of one database."""
    record, ledger = result.record, result.ledger
    usual, longest = record.slowest_health
    print(f"\n{result.kind}, {seconds:.0f} s")
    for name, count in sorted(record.answered.items()):
        print(f"  {name:<24}{count:>10,} answers")
    print(f"  {'orders':<24}{len(ledger.orders):>10,} kept, {ledger.written:,} written")
    print(f"  {'throttled':<24}{record.throttled:>10,}")
    print(f"  {'/healthz':<24}{usual:>10.3f} s at the 99th percentile, {longest:.3f} s at most")
    warm, after = (held.memory / MEGABYTE for held in (result.warm, result.after))
    print(f"  {'memory of a worker':<24}{warm:>10.0f} MB warm, {after:.0f} MB after")
    print(f"  {'open files of a worker':<24}{result.warm.files:>10} warm, {result.after.files} after")
    for what in record.troubles:
        print(f"  {what.what}")
    for name, count in sorted(record.explained.items()):
        print(f"  explained: {count:>4} × {name}")
    for finding in record.findings:
        print(f"  FOUND: {finding}")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    kinds = given.database or ["sqlite", "postgresql"]
    seconds = max(given.minutes * 60 / len(kinds), WARM_SECONDS + 30)
    failed = False
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="segments-soak-", ignore_cleanup_errors=True) as folder:
            # PostgreSQL runs as a user of its own.
            Path(folder).chmod(0o755)
            record = Record()
            with open_machine(Path(folder), kind, record) as machine:
                result = asyncio.run(soak(machine, kind, seconds))
                log = machine.server.log.read_text()
                code, _ = machine.server.tell_to_end()
                if code:
                    record.find(f"the server ended with {code}")
                if wrong := machine.check_store():
                    record.find(f"db check: {wrong}")
            if result.after.memory > result.warm.memory + MORE_MEMORY:
                record.find("a worker holds much more memory than when it was warm")
            if result.after.files > result.warm.files + MORE_FILES:
                record.find("a worker holds more open files than when it was warm")
            show(result, seconds)
            surprises = [line for line in log.splitlines() if "unexpected error" in line or "Traceback" in line]
            for line in surprises[:10]:
                print(f"  log: {line[:200]}")
            failed = failed or bool(record.findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
