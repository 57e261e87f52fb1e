"""Purchases from MongoDB over a real socket: read in the order of their keys, taken up again where the connection was
lost, only what is new the next time, and one sentence without a secret for everything that is wrong."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from persistence.database import open_database
from persistence.sources import mongodb
from tests.cli.conftest import Segments
from tests.cli.mongo import Mongo, Proxy, key, purchase, refusing, served

MAKE = ("--business", "shop", "--time-zone", "UTC", "--currency", "LKR")
DAY = datetime(2024, 3, 1, tzinfo=UTC)
NUMBERS = count()
# A connection that the driver was just making when it was closed is left to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(tmp_path_factory.mktemp("mongodb")) as port:
        yield port


@pytest.fixture
def mongo(port: int, segments: Segments) -> Mongo:
    """A server with a database of its own, and the command told where it is."""
    found = Mongo(port, f"shop{next(NUMBERS)}")
    segments.patch.setenv("SEGMENTS_MONGODB_URI", found.uri)
    return found


def place(mongo: Mongo, collection: str = "purchases") -> tuple[str, ...]:
    return ("--source", "mongodb", "--database", mongo.database, "--collection", collection)


def stored(segments: Segments, query: str) -> list[tuple[Any, ...]]:
    database = open_database(f"sqlite:///{segments.data}/segments.sqlite")
    try:
        with database.bulk.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        database.bulk.dispose()


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

    ended = segments.done("import", *place(mongo), *MAKE)

    assert ended.out == f"{mongo.database}.purchases: 4 rows read: 4 created, 0 updated, 0 unchanged, 0 rejected.\n"
    assert ended.err == ""
    assert [line.split() for line in segments.done("customers").lines[1:]] == [
        ["Ada", "Ada", "of", "Galle", "1", "1,750.50", "2024-03-01"],
        ["Ben", "Ben", "of", "Galle", "1", "10.00", "2024-03-03"],
    ]
    assert stored(segments, LINES) == [
        ("1001", 175050, 1, "Tea"),
        ("1001", 175050, 2, "Cups"),
        ("B-7", 0, 1, "Tea"),
        ("B-8", 1000, 1, "Tea"),
    ]


def test_fields_elsewhere_are_found_by_a_map_of_paths(segments: Segments, mongo: Mongo) -> None:
    document = {"buyer": {"ref": 7}, "no": 1, "placed": {"at": DAY}, "sum": {"net": [12.5]}, "kind": "Tea"}
    mongo.insert("orders", document)
    paths = ("buyer.ref=customer_id", "no=order_id", "placed.at=purchase_date", "sum.net.0=amount", "kind=category")

    missing = segments("import", *place(mongo, "orders"), *MAKE)
    ended = segments.done("import", *place(mongo, "orders"), *MAKE, *(part for one in paths for part in ("--map", one)))

    assert missing.code == 1
    assert missing.err.startswith("Error: Missing required columns: customer_id, order_id, purchase_date, amount. ")
    assert "Columns seen: buyer.ref, no, placed.at, sum.net, kind" in missing.err
    assert "1 created" in ended.out
    assert stored(segments, LINES) == [("1", 1250, 1, "Tea")]


def test_the_next_reading_takes_only_what_is_new(segments: Segments, mongo: Mongo) -> None:
    old = [purchase("Ada", n, DAY, 10, _id=key(DAY + timedelta(hours=n))) for n in range(50)]
    mongo.insert("purchases", *old)
    first = segments.done("import", *place(mongo), *MAKE)
    mongo.insert("purchases", purchase("Ben", 50, DAY, 10, _id=key(DAY + timedelta(hours=60))))

    second = segments.done("import", *place(mongo))
    third = segments.done("import", *place(mongo))
    whole = segments.done("import", *place(mongo), "--whole")
    otherwise = segments.done("import", *place(mongo), "--amount", "line")

    assert "50 rows read: 50 created" in first.out
    # The last one that was known is looked at again, for what other machines made at about the same time.
    assert "2 rows read: 1 created, 0 updated, 1 unchanged" in second.out
    assert "1 rows read: 0 created, 0 updated, 1 unchanged" in third.out
    assert "51 rows read: 0 created, 0 updated, 51 unchanged" in whole.out
    assert "51 rows read: 0 created, 0 updated, 51 unchanged" in otherwise.out


def test_a_classification_of_a_collection_is_skipped_until_it_has_something_new(
    segments: Segments, mongo: Mongo
) -> None:
    segments.done("businesses", "create", "shop", "--time-zone", "UTC", "--currency", "LKR")
    mongo.insert("purchases", *(purchase("Ada", n, DAY, 10, _id=key(DAY + timedelta(hours=n))) for n in range(5)))
    classify = ("classify", *place(mongo), "--check-freshness")

    first = segments.done(*classify)
    again = segments(*classify)
    mongo.insert("purchases", purchase("Ben", 5, DAY, 10, _id=key(DAY + timedelta(hours=5))))
    new = segments.done(*classify)

    assert again.code not in (0, 1, 2)
    assert first.out != again.out
    assert [line.split()[0] for line in segments.done("customers").lines[1:]] == ["Ada", "Ben"]
    assert new.code == 0


def test_an_order_that_goes_on_keeps_the_lines_that_were_read_before(segments: Segments, mongo: Mongo) -> None:
    hours = iter(range(100))

    def line(order: object, amount: int, category: str) -> dict[str, Any]:
        at = key(DAY + timedelta(hours=next(hours)))
        return purchase("Ada", order, DAY, amount, _id=at, product={"category": category})

    mongo.insert("purchases", line(1, 10, "Tea"), line(2, 10, "Tea"), line(1, 20, "Cups"), line(3, 5, "Tea"))
    segments.done("import", *place(mongo), *MAKE)
    # The number of an order may be written as text the next time.
    mongo.insert("purchases", line("1", 30, "Pots"), line(4, 5, "Tea"), line("1", 40, "Pans"))

    ended = segments.done("import", *place(mongo))

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
    mongo.insert("purchases", *(purchase("Ada", n, DAY, 10, _id=key(DAY + timedelta(hours=n))) for n in range(5)))
    segments.done("import", *place(mongo), *MAKE)
    database = open_database(f"sqlite:///{segments.data}/segments.sqlite")
    with database.bulk.begin() as connection:
        connection.execute(text("UPDATE purchase_import SET undo_begun_at = 9000000000000000"))
    database.bulk.dispose()

    assert "5 rows read" in segments.done("import", *place(mongo)).out


def test_a_connection_that_drops_is_taken_up_where_it_was_lost(segments: Segments, mongo: Mongo) -> None:
    documents = [
        purchase(f"C{n // 2 % 70}", n // 2, DAY, 10 + n % 2, product={"category": f"K{n % 3}"}) for n in range(3_000)
    ]
    mongo.insert("purchases", *documents)

    with Proxy(mongo.port, after=150_000, drops=3) as proxy:
        segments.patch.setenv("SEGMENTS_MONGODB_URI", proxy.uri)
        ended = segments.done("import", *place(mongo), *MAKE)
        dropped = proxy.cut
        segments.patch.setenv("SEGMENTS_MONGODB_URI", f"{proxy.uri}?serverSelectionTimeoutMS=500")
    again = segments("import", *place(mongo), "--whole")
    segments.patch.setenv("SEGMENTS_MONGODB_URI", mongo.uri)
    whole = segments.done("import", *place(mongo), "--whole")

    assert dropped == 3
    assert "3,000 rows read: 3,000 created, 0 updated, 0 unchanged, 0 rejected." in ended.out
    assert again.code == 1
    assert "cannot be reached: nothing listens there" in again.err
    assert "3,000 rows read: 0 created, 0 updated, 3,000 unchanged, 0 rejected." in whole.out


def test_a_connection_that_drops_for_good_leaves_the_store_as_it_was(segments: Segments, mongo: Mongo) -> None:
    segments.patch.setattr(mongodb, "FIRST_WAIT", 0.01)
    mongo.insert("purchases", *(purchase("Ada", n, DAY, 10) for n in range(1_500)))
    segments.done("businesses", "create", "shop", "--time-zone", "UTC", "--currency", "LKR")

    with Proxy(mongo.port, after=60_000, drops=1_000) as proxy:
        segments.patch.setenv("SEGMENTS_MONGODB_URI", proxy.uri)
        ended = segments("import", *place(mongo))
        host = proxy.uri.removeprefix("mongodb://").rstrip("/")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"Error: The connection to MongoDB at {host} was lost and could not be had again.\n"
    assert stored(segments, "SELECT COUNT(*) FROM purchase") == [(0,)]


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

    ended = segments.done("import", *place(mongo), *MAKE, "--rejects", tmp_path / "rejects.csv")

    assert "7 rows read: 1 created, 0 updated, 0 unchanged, 6 rejected." in ended.out
    listed = list(csv.reader((tmp_path / "rejects.csv").read_text().splitlines()))[1:]
    assert [(line, reason, content.split(",")[0]) for line, reason, content in listed] == [
        ("2", "order_id is an object", f"_id {keys[1]}"),
        ("3", "date is true or false", f"_id {keys[2]}"),
        ("4", "total_amount_lkr is a list", f"_id {keys[3]}"),
        ("5", "no customer", f"_id {keys[4]}"),
        ("6", "customer.id stands in what is no object", f"_id {keys[5]}"),
        ("7", "the date 'soon' is not ISO 8601 (or give --date-format)", f"_id {keys[6]}"),
    ]


def test_keys_of_several_types_have_no_certain_order_and_are_refused(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("Ada", 1, DAY, 10), purchase("Ada", 2, DAY, 10, _id="text"))

    ended = segments("import", *place(mongo), *MAKE)

    assert ended.code == 1
    assert "has documents whose _id are of several types. Only one type has a certain order." in ended.err


def test_amounts_in_another_currency_are_refused_before_anything_is_read(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("purchases", purchase("Ada", 1, DAY, 10))

    ended = segments("import", *place(mongo), "--business", "shop", "--time-zone", "UTC", "--currency", "EUR")

    assert ended.err == "Error: The amounts are in LKR (total_amount_lkr), the business has EUR.\n"


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        (
            "mongodb://ada:hunter2@127.0.0.1:1/?serverSelectionTimeoutMS=500",
            "MongoDB at 127.0.0.1:1 cannot be reached: nothing listens there.",
        ),
        (
            "mongodb://ada:hunter2@nowhere.invalid/?serverSelectionTimeoutMS=500",
            "MongoDB at nowhere.invalid:27017 cannot be reached: the name is not known.",
        ),
        ("mongodb://ada:hunter2@127.0.0.1:port/", "The connection string of MongoDB cannot be read"),
        ("mongodb://ada:hun@ter2@127.0.0.1/", "The connection string of MongoDB cannot be read"),
        ("postgresql://ada:hunter2@127.0.0.1/", "The connection string of MongoDB cannot be read"),
    ],
)
def test_a_wrong_address_is_one_sentence_without_a_secret(segments: Segments, uri: str, sentence: str) -> None:
    segments.patch.setenv("SEGMENTS_MONGODB_URI", uri)

    ended = segments("-v", "import", "--source", "mongodb", "--database", "shop", "--collection", "purchases", *MAKE)

    assert ended.code == 1
    assert f"Error: {sentence}" in ended.err
    assert "SEGMENTS_MONGODB_URI or the section mongodb of the settings" in ended.err
    for secret in ("hunter2", "ada", "hun@ter2"):
        assert secret not in ended.out + ended.err


@pytest.mark.parametrize(
    ("code", "name", "sentence"),
    [
        (
            18,
            "AuthenticationFailed",
            "MongoDB at {host} refuses the user name or the password. Check SEGMENTS_MONGODB_URI",
        ),
        (13, "Unauthorized", "MongoDB at {host} does not let this user read there. Give it the role read."),
        (8000, "AtlasError", "MongoDB at {host} cannot answer (code 8000)."),
    ],
)
def test_what_the_server_refuses_is_one_sentence_without_a_secret(
    segments: Segments, code: int, name: str, sentence: str
) -> None:
    with refusing(code, name) as host:
        user = "ada:hunter2@" if code == 18 else ""
        segments.patch.setenv("SEGMENTS_MONGODB_URI", f"mongodb://{user}{host}/")
        ended = segments("-v", "import", "--source", "mongodb", "--database", "shop", "--collection", "p", *MAKE)

    assert ended.code == 1
    assert sentence.format(host=host) in ended.err
    assert "hunter2" not in ended.out + ended.err


def test_what_is_missing_is_named(segments: Segments, mongo: Mongo) -> None:
    mongo.insert("orders", purchase("Ada", 1, DAY, 10))

    collection = segments("import", *place(mongo), *MAKE)
    neither = segments("import", "--source", "mongodb", *MAKE)
    one = segments("import", "--source", "mongodb", "--database", mongo.database, *MAKE)
    file = segments("import", "orders.csv", *place(mongo), *MAKE)
    flag = segments("import", "orders.csv", "--whole", *MAKE)
    nothing = segments("import", *MAKE)
    segments.patch.delenv("SEGMENTS_MONGODB_URI")
    address = segments("import", *place(mongo), *MAKE)

    said = [ended.err.removeprefix("Error: ").rstrip() for ended in (collection, neither, one, file, flag, nothing)]
    assert said == [
        f"The database {mongo.database} has no collection purchases. There are: orders.",
        "--database must be given, or set in the section mongodb of the settings.",
        "--collection must be given, or set in the section mongodb of the settings.",
        "--source mongodb takes no file: give --database and --collection.",
        "--database, --collection and --whole are for --source mongodb.",
        "A file must be named, or --source mongodb given.",
    ]
    assert address.err == (
        "Error: Where MongoDB is has not been said. Set SEGMENTS_MONGODB_URI, or the section mongodb of a settings "
        "file and run: segments settings apply FILE.\n"
    )
    assert segments.done("businesses", "list").lines[1:] == []
