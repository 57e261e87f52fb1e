"""A copy in an object store: a real server that speaks S3, and the same answers."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Event

import pytest
from pyarrow.fs import S3FileSystem

from domain.calendar import Span
from domain.errors import InvalidInput
from domain.model import Actor
from gql.composition import Services
from persistence.database.engines import Database
from persistence.lake.engines import DuckDbEngine
from persistence.lake.places import Bucket, Folder, read_address
from persistence.lake.reading import ANSWERED, Lake
from persistence.lake.renewal import Renewal
from tests.conftest import SetClock
from tests.drivers.server import free_port, until
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
TESTER = Actor("tester")


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket."""
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server, which speaks S3, is not on the PATH: pip install 'moto[server]' in a venv of its own")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    port, log = free_port(), tmp_path / "moto.log"
    with log.open("w") as said:
        process = subprocess.Popen([program, "-p", str(port)], stdout=said, stderr=said)
    try:
        until(lambda: accepts(port), 60, log.read_text)
        options = {"region": "us-east-1", "endpoint_override": f"127.0.0.1:{port}", "scheme": "http"}
        S3FileSystem(**options, allow_bucket_creation=True).create_dir("shop")
        yield f"s3://shop/copies?region=us-east-1&endpoint=127.0.0.1:{port}&scheme=http"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.slow
async def test_hosts_share_the_copy_of_a_bucket(
    fresh_sqlite: Database, clock: SetClock, tmp_path: Path, bucket: str
) -> None:
    outcomes: list[str] = []
    lakes = [
        Lake(read_address(bucket, tmp_path / host), DuckDbEngine("256MB"), 1, outcomes.append) for host in ("a", "b")
    ]
    plain = Services(fresh_sqlite, clock)
    shop = await plain.businesses.create("shop", None, "UTC", "EUR")
    span = Span(clock.now.date().toordinal() - 700, clock.now.date().toordinal())

    async def compare() -> None:
        stored = await plain.read(shop, lambda unit: unit.reports.load_cells(span))
        for lake in lakes:
            host = Services(fresh_sqlite, clock, lake=lake)
            assert sorted(await host.read(shop, lambda unit: unit.reports.load_cells(span)), key=repr) == sorted(
                stored, key=repr
            )

    for round_ in range(4):
        bought = [purchase(f"c{n}", f"o{round_}-{n}", "2024-02-01", 100 * n) for n in range(30)]
        await plain.purchases.record(shop, bought, TESTER)
        assert await Renewal(fresh_sqlite, lakes[round_ % 2], clock).renew_now(shop.id, whole=True) is not None
        await compare()
        await plain.purchases.record(shop, [purchase("c1", f"late-{round_}", "2024-02-02", 7)], TESTER)
        await compare()
    assert set(outcomes) == {ANSWERED}
    with fresh_sqlite.bulk.connect() as connection:
        store = connection.exec_driver_sql("SELECT id FROM store_identity").scalar_one()
    place = lakes[0].open_place(store, shop.id)
    manifests = [name for name in place.list_names() if name.endswith("manifest.json")]
    assert len(manifests) == 2
    for host in ("a", "b"):
        held = list((tmp_path / host).rglob("*.manifest.json"))
        assert len(held) <= 3
    for lake in lakes:
        await lake.engine.close()


@pytest.mark.parametrize(
    "text", ["s3://", "s3://UPPER/prefix", "s3://bucket?colour=red", "gs://bucket", "s3://bucket/a b"]
)
def test_an_address_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^SEGMENTS_LAKE must be a folder, or like s3://bucket/prefix"):
        read_address(text, tmp_path)


def test_a_folder_and_a_bucket_are_told_apart(tmp_path: Path) -> None:
    folder = read_address(str(tmp_path / "lake"), tmp_path).open("store", "1")
    bucket = read_address("s3://bucket/prefix/?region=eu-west-1", tmp_path / "held").open("store", "1")

    assert folder == Folder(tmp_path / "lake" / "store" / "1")
    assert folder.address("a.parquet") == os.fspath(tmp_path / "lake" / "store" / "1" / "a.parquet")
    assert isinstance(bucket, Bucket)
    assert bucket.address("a.parquet") == "s3://bucket/prefix/store/1/a.parquet"
    assert (bucket.options, bucket.held) == ((("region", "eu-west-1"),), Folder(tmp_path / "held" / "store" / "1"))


class Stalling(BytesIO):
    """What a bucket sends; while it does, nobody waits for it any more."""

    def __init__(self, ended: Event) -> None:
        super().__init__(bytes(10))
        self.ended = ended

    def open_input_stream(self, path: str) -> "Stalling":
        return self

    def read(self, size: int | None = -1) -> bytes:
        self.ended.set()
        return super().read(1)


def test_a_file_that_nobody_waits_for_is_not_fetched_to_its_end(tmp_path: Path) -> None:
    bucket, ended = Bucket("shop", (), Folder(tmp_path / "held")), Event()
    sent = bucket.__dict__["_files"] = Stalling(ended)

    with pytest.raises(InterruptedError):
        bucket.fetch("a.parquet", ended)

    assert (sent.closed, list((tmp_path / "held").iterdir())) == (True, [])


@pytest.mark.parametrize("there", [(), ("lake",)])
def test_folders_of_copies_are_for_the_server_alone(tmp_path: Path, there: tuple[str, ...]) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    before = os.umask(0o022)
    try:
        read_address(str(tmp_path / "lake"), tmp_path).open("store", "1").put("a.parquet", Path.touch)
    finally:
        os.umask(before)

    made = ("lake", "lake/store")[len(there)]
    assert (tmp_path / made).stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "lake" / "store" / "1" / "a.parquet").exists()
