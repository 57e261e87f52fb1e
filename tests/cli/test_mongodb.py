"""Purchases from MongoDB over a real socket: read in the order of their keys, taken up again where the connection was
lost, only what is new the next time, and one sentence without a secret for everything that is wrong."""

import csv
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import common

from persistence.sources import mongodb
from tests.cli.conftest import MAKE, MAKE_LKR, Segments, write_lines
from tests.drivers.mongo import Mongo, Proxy, key, place, purchase

DAY = datetime(2024, 3, 1, tzinfo=UTC)


def stored(segments: Segments, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store, store:
        return store.execute(query).fetchall()


def hourly(numbers: Iterable[int], customer: str = "Ada") -> list[dict[str, Any]]:
    """A purchase a number, that many hours after the first."""
    return [purchase(customer, n, DAY, 10, _id=key(DAY + timedelta(hours=n))) for n in numbers]


LINES = """SELECT p.external_id, p.amount, l.position, l.category FROM purchase p JOIN purchase_line l
    ON l.purchase_id = p.id AND l.customer_id = p.customer_id ORDER BY 1, 3"""


def test_documents_become_purchases_and_customers_have_their_names(segments: Segments, mongo: Mongo) -> None:
    mongo.insert(
        "purchases",
        purchase("Ada", 1001, DAY, 1500),
        purchase("Ada", 1001, DAY, 250.5, product={"category": "Cups"}),
        purchase("Ben", "B-7", datetime(2024, 3, 2), "99.90", status="refunded"),
        purchase("Ben", "B-8", "2024-03-03T09:30:00Z", 10),
    )

    ended = segments.run("import", *place(mongo), *MAKE_LKR)

    assert ended.out == f"{mongo.database}.purchases: 4 rows read: 4 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert ended.err == ""
    assert [line.split() for line in segments.run("customers").lines[1:]] == [
        ["Ada", "Ada", "of", "Galle", "1", "1,750.50", "2024-03-01"],
        ["Ben", "Ben", "of", "Galle", "1", "10.00", "2024-03-03"],
    ]
    assert stored(segments, LINES) == [
        ("1001", 175050, 1, "Tea"),
        ("1001", 175050, 2, "Cups"),
        ("B-7", 9990, 1, "Tea"),
        ("B-8", 1000, 1, "Tea"),
    ]


def test_fields_elsewhere_are_found_by_a_map_of_paths(segments: Segments, mongo: Mongo) -> None:
    document = {"buyer": {"ref": 7}, "no": 1, "placed": {"at": DAY}, "sum": {"net": [12.5]}, "kind": "Tea"}
    mongo.insert("orders", document)
    paths = ("buyer.ref=customer_id", "no=order_id", "placed.at=purchase_date", "sum.net.0=amount", "kind=category")

    missing = segments.expect_refusal("import", *place(mongo, "orders"), *MAKE_LKR)
    ended = segments.run(
        "import", *place(mongo, "orders"), *MAKE_LKR, *(part for one in paths for part in ("--map", one))
    )

    assert missing.startswith("Missing required columns: customer_id, order_id, purchase_date, amount. ")
    assert "Columns seen: buyer.ref, no, placed.at, sum.net, kind" in missing
    assert "1 created" in ended.out
    assert stored(segments, LINES) == [("1", 1250, 1, "Tea")]


def test_the_next_reading_takes_only_what_is_new(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", *hourly(range(50)))
    first = segments.run("import", *place(mongo), *MAKE_LKR)
    mongo.insert("purchases", *hourly([60], "Ben"))

    second = segments.run("import", *place(mongo))
    third = segments.run("import", *place(mongo))
    whole = segments.run("import", *place(mongo), "--whole")
    otherwise = segments.run("import", *place(mongo), "--amount", "line")

    assert "50 rows read: 50 created" in first.out
    # The last one that was known is looked at again, for what other machines made at about the same time.
    assert "2 rows read: 1 created, 0 updated, 1 unchanged" in second.out
    assert "1 row read: 0 created, 0 updated, 1 unchanged" in third.out
    assert "51 rows read: 0 created, 0 updated, 51 unchanged" in whole.out
    assert "51 rows read: 0 created, 0 updated, 51 unchanged" in otherwise.out


def test_a_classification_of_a_collection_is_skipped_until_it_has_something_new(rupees: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", *hourly(range(5)))
    classify = ("classify", *place(mongo), "--check-freshness")

    first = rupees.run(*classify)
    again = rupees(*classify)
    mongo.insert("purchases", *hourly([5], "Ben"))
    rupees.run(*classify)

    assert again.code == 10
    assert first.out != again.out
    assert [line.split()[0] for line in rupees.run("customers").lines[1:]] == ["Ada", "Ben"]


def test_documents_that_have_changed_are_read_again_with_their_orders(rupees: Segments, mongo: Mongo) -> None:
    def document(number: int, order: int, amount: int, changed: datetime) -> dict[str, Any]:
        at = key(DAY + timedelta(hours=number))
        return purchase("Ada", order, DAY, amount, _id=at, meta={"changed": changed})

    old = DAY - timedelta(days=1)
    mongo.insert("purchases", *(document(n, n // 2, 10, old) for n in range(7)), document(7, 3, 10, DAY))
    file = write_lines(rupees.data.parent / "mongodb.toml", "[mongodb]", 'updated_field = "meta.changed"')
    rupees.run("settings", "apply", file)
    classify = ("classify", *place(mongo), "--check-freshness")

    rupees.run(*classify)
    again = rupees(*classify)
    mongo.change("purchases", {"order_id": 1, "total_amount_lkr": 10}, {"total_amount_lkr": 25})
    unseen = rupees(*classify)
    later = DAY + timedelta(hours=1)
    mongo.change("purchases", {"_id": key(DAY)}, {"total_amount_lkr": 70, "meta": {"changed": later}})
    changed = rupees(*classify)
    settled = rupees(*classify)

    # A change that the document does not tell is not seen.
    assert [ended.code for ended in (again, unseen, changed, settled)] == [10, 10, 0, 10]
    assert [row[:2] for row in stored(rupees, LINES)[::2]] == [("0", 8000), ("1", 2000), ("2", 2000), ("3", 2000)]


def test_a_change_in_the_future_hides_no_later_one(segments: Segments, mongo: Mongo) -> None:
    wrong = datetime(2999, 1, 1, tzinfo=UTC)
    keys = [key(DAY + timedelta(hours=n)) for n in range(3)]
    mongo.insert("purchases", purchase("Ada", 0, DAY, 10, _id=keys[0], updated_at=wrong))
    mongo.insert("purchases", *(purchase("Ada", n, DAY, 10, _id=keys[n], updated_at=DAY) for n in (1, 2)))
    segments.run("import", *place(mongo), *MAKE_LKR)
    mongo.change("purchases", {"_id": keys[1]}, {"total_amount_lkr": 99, "updated_at": DAY + timedelta(hours=1)})

    ended = segments.run("import", *place(mongo))

    assert "3 rows read: 0 created, 1 updated, 2 unchanged" in ended.out
    assert ("1", 9900) in [row[:2] for row in stored(segments, LINES)]


def test_a_customer_whose_documents_were_all_rejected_is_none(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("Ada", 1, DAY, "nonsense"), purchase("Ben", 2, DAY, 10))

    segments.run("import", *place(mongo), *MAKE_LKR)

    assert [line.split()[0] for line in segments.run("customers").lines[1:]] == ["Ben"]


def test_names_belong_to_the_field_that_is_mapped(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("internal-7", 1, DAY, 10, code="Ada"))

    segments.run("import", *place(mongo), *MAKE_LKR, "--map", "code=customer_id")

    assert segments.run("customers").lines[1].split()[:4] == ["Ada", "internal-7", "of", "Galle"]


def test_other_fields_of_customers_are_told_and_a_name_that_is_no_text_refuses_no_purchase(
    segments: Segments, mongo: Mongo
) -> None:
    said: list[dict[str, Any]] = [
        {"id": "Ada", "name": {"given": "Ada"}, "home": {"city": "Galle"}},
        {"id": "Ben", "name": "Ben\0", "home": {"city": ["Kandy"]}},
        {"code": "Cy", "name": "Cy", "home": {"city": "Jaffna"}},
    ]
    mongo.insert("purchases", *(purchase("", n, DAY, 10) | {"customer": one} for n, one in enumerate(said)))
    told = ("--map", "customer.id=customer_id", "--map", "customer.code=customer_id")
    told += ("--map", "customer.home.city=city")

    ended = segments.run("import", *place(mongo), *MAKE_LKR, *told)

    assert "3 created, 0 updated, 0 unchanged, 0 rejected" in ended.out
    assert stored(segments, "SELECT external_id, name, city FROM customer ORDER BY 1") == [
        ("Ada", None, "Galle"),
        ("Ben", None, None),
        ("Cy", "Cy", "Jaffna"),
    ]


def test_an_order_that_goes_on_keeps_the_lines_that_were_read_before(segments: Segments, mongo: Mongo) -> None:
    hours = iter(range(100))

    def line(order: object, amount: int, category: str) -> dict[str, Any]:
        at = key(DAY + timedelta(hours=next(hours)))
        return purchase("Ada", order, DAY, amount, _id=at, product={"category": category})

    mongo.insert("purchases", line(1, 10, "Tea"), line(2, 10, "Tea"), line(1, 20, "Cups"), line(3, 5, "Tea"))
    segments.run("import", *place(mongo), *MAKE_LKR)
    # The number of an order may be written as text the next time.
    mongo.insert("purchases", line("1", 30, "Pots"), line(4, 5, "Tea"), line("1", 40, "Pans"))

    ended = segments.run("import", *place(mongo))

    assert "6 rows read: 1 created, 4 updated, 1 unchanged" in ended.out
    assert stored(segments, LINES) == [
        ("1", 10000, 1, "Tea"),
        ("1", 10000, 2, "Cups"),
        ("1", 10000, 3, "Pots"),
        ("1", 10000, 4, "Pans"),
        ("2", 1000, 1, "Tea"),
        ("3", 500, 1, "Tea"),
        ("4", 500, 1, "Tea"),
    ]


def test_after_an_import_was_undone_all_is_read_again(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", *hourly(range(5)))
    segments.run("import", *place(mongo), *MAKE_LKR)
    stored(segments, "UPDATE purchase_import SET undo_begun_at = 9000000000000000")

    assert "5 rows read" in segments.run("import", *place(mongo)).out


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a server that dropped a connection is there again is looked at once, by the driver and by us."""
    monkeypatch.setattr(common, "MIN_HEARTBEAT_INTERVAL", 0.02)
    monkeypatch.setattr(mongodb, "FIRST_WAIT", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_drops_is_taken_up_where_it_was_lost(segments: Segments, mongo: Mongo) -> None:
    documents = [
        purchase(f"C{n // 2 % 70}", n // 2, DAY, 10 + n % 2, product={"category": f"K{n % 3}"}) for n in range(3_000)
    ]
    mongo.insert("purchases", *documents)

    with Proxy(mongo.port, after=150_000, drops=3) as proxy:
        segments.patch.setenv("SEGMENTS_MONGODB_URI", proxy.uri)
        ended = segments.run("import", *place(mongo), *MAKE_LKR)
        dropped = proxy.cut
        segments.patch.setenv("SEGMENTS_MONGODB_URI", f"{proxy.uri}?serverSelectionTimeoutMS=500")
    again = segments.expect_refusal("import", *place(mongo), "--whole")
    segments.patch.setenv("SEGMENTS_MONGODB_URI", mongo.uri)
    whole = segments.run("import", *place(mongo), "--whole")

    assert dropped == 3
    assert "3,000 rows read: 3,000 created, 0 updated, 0 unchanged, 0 rejected." in ended.out
    assert "cannot be reached: nothing listens there" in again
    assert "3,000 rows read: 0 created, 0 updated, 3,000 unchanged, 0 rejected." in whole.out


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_drops_for_good_leaves_the_store_as_it_was(rupees: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", *(purchase("Ada", n, DAY, 10) for n in range(1_500)))

    with Proxy(mongo.port, after=60_000, drops=1_000) as proxy:
        rupees.patch.setenv("SEGMENTS_MONGODB_URI", proxy.uri)
        refused = rupees.expect_refusal("import", *place(mongo))
        host = proxy.uri.removeprefix("mongodb://").rstrip("/")

    assert refused == f"The connection to MongoDB at {host} was lost and could not be had again."
    assert stored(rupees, "SELECT COUNT(*) FROM purchase") == [(0,)]


def test_documents_that_cannot_be_read_are_rejected_with_their_key(
    segments: Segments, mongo: Mongo, tmp_path: Path
) -> None:
    keys = [key(DAY, n) for n in range(7)]
    mongo.insert(
        "purchases",
        purchase("Ada", 1, DAY, 10, _id=keys[0]),
        purchase("Ada", {"no": 2}, DAY, 10, _id=keys[1]),
        purchase("Ada", 3, True, 10, _id=keys[2]),
        purchase("Ada", 4, DAY, [10], _id=keys[3]),
        {"_id": keys[4], "note": "no purchase at all"},
        {**purchase("Ada", 6, DAY, 10, _id=keys[5]), "customer": "Ada"},
        purchase("Ada", 7, "soon", 10, _id=keys[6]),
    )

    ended = segments.run("import", *place(mongo), *MAKE_LKR, "--rejects", tmp_path / "rejects.csv")

    assert "7 rows read: 1 created, 0 updated, 0 unchanged, 6 rejected." in ended.out
    listed = list(csv.reader((tmp_path / "rejects.csv").read_text().splitlines()))[1:]
    assert [(line, reason, content.split(",")[0]) for content, line, reason, _ in listed] == [
        ("2", "order_id is an object", f"_id {keys[1]}"),
        ("3", "date is true or false", f"_id {keys[2]}"),
        ("4", "total_amount_lkr is a list", f"_id {keys[3]}"),
        ("5", "no customer", f"_id {keys[4]}"),
        ("6", "customer.id stands in what is no object", f"_id {keys[5]}"),
        ("7", "the date 'soon' is not ISO 8601 (or give --date-format)", f"_id {keys[6]}"),
    ]


def test_keys_of_several_types_have_no_certain_order_and_are_refused(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("Ada", 1, DAY, 10), purchase("Ada", 2, DAY, 10, _id="text"))

    refused = segments.expect_refusal("import", *place(mongo), *MAKE_LKR)

    assert "has documents whose _id are of several types. Only one type has a certain order." in refused


def test_amounts_in_another_currency_are_refused_before_anything_is_read(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("Ada", 1, DAY, 10))

    refused = segments.expect_refusal("import", *place(mongo), *MAKE)

    assert refused == "The amounts are in LKR (total_amount_lkr), the business has EUR."
