"""`run_segmentation` over files that grow: whatever was appended, the store and the labels are those of a run that read
the whole file, and only what is beyond doubt is left out of the reading."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest
from sqlalchemy import text

from domain.classification.pipeline import Segmentation
from domain.errors import DomainError
from domain.imports.formats import SourceFormat
from gql.segmentation import run_segmentation
from gql.settings import Settings
from persistence.database.engines import open_database
from tests.conftest import sample_cases

HEADER = "customer_id,order_id,timestamp,amount,category,storefront,status\n"
STORED = (
    "SELECT c.external_id, p.external_id, p.purchased_at, p.local_day, p.status, p.counted, p.amount, p.channel "
    "FROM purchase p JOIN customer c ON c.business_id = p.business_id AND c.id = p.customer_id ORDER BY 2",
    "SELECT p.external_id, k.position, k.category, k.amount, k.status FROM purchase_line k JOIN purchase p "
    "ON p.business_id = k.business_id AND p.customer_id = k.customer_id AND p.id = k.purchase_id ORDER BY 1, 2",
    "SELECT p.external_id, s.key FROM purchase p JOIN storefront s ON s.id = p.storefront_id ORDER BY 1",
    "SELECT c.external_id, m.order_count, m.revenue, m.first_at, m.last_at FROM customer_metrics m "
    "JOIN customer c ON c.business_id = m.business_id AND c.id = m.customer_id ORDER BY 1",
)


def now() -> datetime:
    return datetime(2024, 6, 15, 12, tzinfo=UTC)


class Shop:
    """A data folder with the embedded store, and the file of its purchases."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.settings = Settings(data=folder)
        folder.mkdir()
        copy(store, folder / "segments.sqlite")
        self.file = folder / "orders.csv"
        self.output = folder / "labels"

    def run(self, content: str | bytes | None = None, **more: object) -> Segmentation:
        if content is not None:
            self.file.write_bytes(content.encode() if isinstance(content, str) else content)
        given: dict[str, object] = {"business": "shop", "time_zone": "Asia/Colombo", "currency": "EUR"}
        given |= {"settings": self.settings, "output": self.output, "clock": now} | more
        return run_segmentation("csv", self.file, **given)  # type: ignore[arg-type]

    def asked(self, statement: str) -> list[tuple[object, ...]]:
        store = open_database(self.settings.url)
        try:
            with store.bulk.connect() as connection:
                return [tuple(row) for row in connection.execute(text(statement))]
        finally:
            store.bulk.dispose()

    def state(self) -> list[list[tuple[object, ...]]]:
        return [self.asked(statement) for statement in STORED]

    def read(self) -> list[int]:
        """Rows that each import read."""
        return [int(str(row[0])) for row in self.asked("SELECT rows_read FROM purchase_import ORDER BY id")]

    def labels(self) -> object:
        return json.loads((self.output / "customer_segmentation.json").read_text())


@pytest.fixture
def new(tmp_path: Path, migrated: Path) -> Callable[[str], Shop]:
    return lambda name: Shop(tmp_path / name, migrated)


def row(draw: random.Random, doubtful: bool) -> str:
    order = draw.randrange(30)
    customer = f"C{order % 9}" if not doubtful or draw.random() < 0.9 else "other"
    day = f"2024-{draw.randrange(1, 8):02}-{draw.randrange(1, 29):02}T{draw.randrange(24):02}:30:00"
    amount = draw.choice(["10.00", "7.25", "0", *(["x", "-1.00"] if doubtful else [])])
    named = "" if not doubtful and draw.random() < 0.2 else f"O{order}"
    category = draw.choice(["Tea", "Rice", "", '"Tea, ""green"""'])
    status = draw.choice(["", "completed", "pending", "refunded", "partial"])
    return f"{customer},{named},{day},{amount},{category},{draw.choice(['main', 'side', ''])},{status}\n"


@pytest.mark.parametrize("seed", sample_cases(range(8), 0, 1))
def test_a_file_that_grows_ends_as_if_it_had_been_read_whole_each_time(seed: int, new: Callable[[str], Shop]) -> None:
    draw = random.Random(seed)
    growing, whole, content = new("growing"), new("whole"), HEADER + "C0,O99,2024-01-01,1.00,,,\n"
    for _ in range(4):
        # Every other file has rows that may or may not stay because of others of their order.
        content += "".join(row(draw, seed % 2 == 1) for _ in range(draw.randrange(1, 15)))
        ran = growing.run(content)
        # An order of which a row is rejected stays as it was stated before.
        at_once = whole.run(content, force=True)

    assert growing.state() == whole.state()
    assert growing.labels() == whole.labels()
    assert ran["metadata"]["rejected"] == at_once["metadata"]["rejected"]
    assert seed % 2 or growing.read()[-1] < content.count("\n") - 1
    logs = [(shop.output / "segmentation_runs.log").read_text().splitlines()[-1] for shop in (growing, whole)]
    for name in ("rows", "rejects", "customers", "distribution"):
        assert json.loads(logs[0])[name] == json.loads(logs[1])[name]


FIRST = HEADER + "A,1,2024-06-01,10.00,Tea,main,\nA,2,2024-06-02,10.00,Tea,,\n"


def test_only_what_was_appended_is_read(new: Callable[[str], Shop]) -> None:
    shop = new("shop")
    # The first run makes its store where there is none.
    shop.file.with_name("segments.sqlite").unlink()
    shop.run(FIRST)

    shop.run()
    shop.run(FIRST + "B,3,2024-06-03,5.00,Rice,,\n")
    # The order goes on: its stored row is stated again with the new one.
    ended = shop.run(FIRST + "B,3,2024-06-03,5.00,Rice,,\nB,3,2024-06-02,-1.00,,,\nC,4,2024-06-03,5.00,,,\n")

    assert shop.read() == [2, 1, 3]
    assert (ended["metadata"]["total_customers"], ended["metadata"]["rejected"]) == (3, 0)
    assert json.loads((shop.output / "segmentation_runs.log").read_text().splitlines()[-1])["rows"] == 5
    assert shop.asked("SELECT amount FROM purchase WHERE external_id = '3'") == [(400,)]


def test_what_an_appended_row_says_of_its_customer_is_kept_and_the_rest_is_not_read_again(
    new: Callable[[str], Shop],
) -> None:
    shop, options = new("shop"), SourceFormat(columns={"who": "name", "land": "country"})
    first = "customer_id,order_id,date,amount,who,land\nA,1,2024-06-01,10.00,Ada,DE\nB,2,2024-06-01,10.00,Ben,\n"
    asked = "SELECT external_id, name, country FROM customer ORDER BY 1"
    shop.run(first, options=options)

    shop.run(first + "B,3,2024-06-02,1.00,,FR\n", options=options)
    grown = shop.asked(asked)
    shop.run(first + "B,3,2024-06-02,1.00,,FR\nA,4,2024-06-02,1.00,Ada L,\n", options=options)

    assert shop.read() == [2, 1, 1]
    assert grown == [("A", "Ada", "DE"), ("B", "Ben", "FR")]
    assert shop.asked(asked) == [("A", "Ada L", "DE"), ("B", "Ben", "FR")]


@pytest.mark.parametrize(
    "content",
    [
        FIRST.replace("10.00", "20.00") + "B,3,2024-06-03,5.00,,,\n",
        FIRST.replace("Tea", "Tee", 1) + "B,3,2024-06-03,5.00,,,\n",
        FIRST[:-20] + "\n",
        FIRST.replace("\n", "\r\n"),
    ],
    ids=["amounts", "one letter", "shorter", "line ends"],
)
def test_a_file_whose_beginning_changed_is_read_whole(content: str, new: Callable[[str], Shop]) -> None:
    shop, whole = new("shop"), new("whole")
    shop.run(FIRST)

    shop.run(content)

    assert shop.read() == [2, content.count("\n") - 1]
    whole.run(FIRST)
    whole.run(content, force=True)
    assert shop.state() == whole.state()


@pytest.mark.parametrize(
    ("first", "appended"),
    [
        (FIRST.removesuffix(",,\n"), " green,,\nB,3,2024-06-03,5.00,,,\n"),
        (FIRST.replace("status", '"sta\ntus"'), "B,3,2024-06-03,5.00,,,\n"),
        (FIRST + 'A,9,2024-06-02,1.00,"Tea\ngreen",,\n', 'B,3,2024-06-03,5.00,"",,\n'),
        (FIRST + "A,9,2024-06-02,-1.00,Tea,,\n", "A,9,2024-06-02,5.00,Tea,,\n"),
        (FIRST + "B,1,2024-06-02,1.00,Tea,,\n", "B,1,2024-06-02,5.00,Tea,,\n"),
    ],
    ids=[
        *("a line without an end", "a header of two lines", "a last row of two lines"),
        *("a refund without its sale", "an order of another customer"),
    ],
)
def test_what_could_change_rows_that_were_read_is_read_with_them(
    first: str, appended: str, new: Callable[[str], Shop]
) -> None:
    shop, whole = new("shop"), new("whole")
    shop.run(first)

    ended = shop.run(first + appended)

    assert ended["metadata"]["rejected"] == whole.run(first + appended)["metadata"]["rejected"]
    assert [line[1:] for line in shop.state()[0]] == [line[1:] for line in whole.state()[0]]
    assert shop.labels() == whole.labels()
    assert shop.read()[1] > appended.count("\n")


def test_a_quote_that_is_open_refuses_the_file_until_it_is_closed(new: Callable[[str], Shop]) -> None:
    shop, whole = new("shop"), new("whole")
    opened = 'B,3,2024-06-03,5.00,,,\nA,9,2024-06-02,1.00,"Tea\n'
    shop.run(FIRST)
    before = shop.state()

    with pytest.raises(
        DomainError, match=r"^orders\.csv, line 5: a quote is opened and never closed\. Mend it, or give quote none\.$"
    ):
        shop.run(FIRST + opened)
    after = shop.state()
    shop.run(FIRST + opened + 'green",,\nB,4,2024-06-03,5.00,,,\n')

    assert after == before
    whole.run(FIRST + opened + 'green",,\nB,4,2024-06-03,5.00,,,\n')
    assert shop.state() == whole.state()
    assert shop.labels() == whole.labels()
    # The second run was refused before it wrote; the third is the tail of what the first one read.
    assert shop.read() == [2, 3]


def test_what_others_wrote_meanwhile_is_replaced_by_the_file(new: Callable[[str], Shop], tmp_path: Path) -> None:
    shop = new("shop")
    shop.run(FIRST)
    other = tmp_path / "other.csv"
    other.write_text(HEADER + "A,1,2024-06-01,99.00,Tea,,\n")
    run_segmentation("csv", other, business="shop", output=shop.output, settings=shop.settings, clock=now)

    shop.run(FIRST + "B,3,2024-06-03,5.00,,,\n")

    assert shop.asked("SELECT amount FROM purchase WHERE external_id = '1'") == [(1000,)]
    assert shop.read() == [2, 1, 3]


def test_other_options_read_the_file_anew(new: Callable[[str], Shop]) -> None:
    shop = new("shop")
    shop.run(FIRST)

    shop.run(options=SourceFormat(columns={"category": "channel"}))

    assert shop.read() == [2, 2]
    assert shop.asked("SELECT DISTINCT channel FROM purchase") == [("Tea",)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": "xml"}, "source must be csv or mongodb, not xml"),
        ({"source": "csv"}, "csv_path must name the file of the source csv"),
        ({"source": "mongodb", "csv_path": "orders.csv"}, "csv_path goes with the source csv"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused(given: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DomainError, match=said):
        run_segmentation(**given, settings=Settings(data=tmp_path))  # type: ignore[arg-type]
