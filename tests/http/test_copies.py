"""Columnar copies as the server has them: the same answers, numbers of who answered, and sentences where something is
missing."""

import json
from collections.abc import Iterator
from importlib import util
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.model import Actor
from gql.app import observe_copy
from gql.composition import make_lake, make_renewal
from gql.counters import ANALYSES, COPIES
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening, presenting
from tests.drivers.sail import serve_sail
from tests.drivers.server import free_port
from tests.schema.test_reports import REPORT
from tests.shops.factories import purchase
from tests.shops.reported_shop import orders

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def sail() -> Iterator[str]:
    with serve_sail() as address:
        yield address


def settings(folder: Path, engine: str = "", *, fallback: bool = False) -> Settings:
    lake = str(folder / "lake")
    return Settings(
        data=folder,
        jwt_secret=SECRET,
        answer_memory=0,
        lake=lake,
        lake_minimum_purchases=5,
        engine=engine,
        engine_fallback=fallback,
    )


def count(outcome: str) -> float:
    return float(ANALYSES.labels(outcome)._value.get())


async def fill(face: Face, folder: Path) -> dict[str, str]:
    """The report by the store alone, of a shop that has a copy afterwards."""
    shop = await face.services.businesses.open("shop")
    await face.services.purchases.record(shop, orders(), Actor("tester"))
    stored = {}
    for method in ("RFM", "VALUE", "BEHAVIOR"):
        before = count("absent")
        stored[method] = json.dumps(await face.data(REPORT, {"method": method}))
        assert count("absent") > before
    lake = make_lake(settings(folder))
    assert lake is not None
    written = COPIES.labels("base")._value.get()
    await make_renewal(face.database, lake, face.clock, observe_copy).run_once()
    assert COPIES.labels("base")._value.get() == written + 1
    with face.database.bulk.begin() as connection:
        # Or the report of before is shown, which is kept.
        connection.exec_driver_sql("UPDATE business SET change_number = change_number + 1")
        connection.exec_driver_sql("UPDATE business SET data_version = change_number")
    return stored


@pytest.mark.parametrize("engine", ["local", "cluster"])
async def test_reports_are_answered_by_the_copy(opening: Opening, tmp_path: Path, sail: str, engine: str) -> None:
    async with opening(settings(tmp_path, "" if engine == "local" else sail)) as face:
        stored = await fill(face, tmp_path)

        for method, report in stored.items():
            before = count("answered")
            assert json.dumps(await face.data(REPORT, {"method": method})) == report
            assert count("answered") > before

        shop = await face.services.businesses.open("shop")
        late = purchase("Late", "late", "2024-04-19", 123_45)
        await face.services.purchases.record(shop, [late], Actor("tester"))
        before = count("answered")
        changed = (await face.data(REPORT, {"method": "VALUE"}))["segmentationReport"]
        assert (changed["customerCount"], changed["totalRevenue"]) == (11, "2723.45")
        assert count("answered") > before


async def test_a_cluster_that_is_away_is_told_unless_the_process_may_answer(
    opening: Opening, tmp_path: Path, sail: str, caplog: pytest.LogCaptureFixture
) -> None:
    away = f"sc://127.0.0.1:{free_port()}"
    async with opening(settings(tmp_path, away)) as face:
        stored = await fill(face, tmp_path)
        before = count("the cluster is away")
        error = (await face.post(REPORT, {"method": "RFM"})).json()["errors"][0]
        assert error["message"] == "The cluster that SEGMENTS_ENGINE names does not answer."
        assert error["extensions"]["code"] == "UNAVAILABLE"
        assert count("the cluster is away") > before
        assert [record.message[: len(away) + 15] for record in caplog.records] == [f"the cluster at {away}"]

        async with presenting(face.database, face.clock, settings(tmp_path, away, fallback=True)) as other:
            assert json.dumps(await other.data(REPORT, {"method": "RFM"})) == stored["RFM"]


@pytest.mark.parametrize(
    ("missing", "engine", "sentence"),
    [
        ("duckdb", "", "SEGMENTS_LAKE needs duckdb, not installed here. Run: pip install 'segments-server[lake]'"),
        ("pyarrow", "", "SEGMENTS_LAKE needs pyarrow, not installed here. Run: pip install 'segments-server[lake]'"),
        (
            "pyspark",
            "sc://spark.example",
            "SEGMENTS_ENGINE needs pyspark, not installed here. Run: pip install 'segments-server[cluster]'",
        ),
    ],
)
def test_what_is_not_installed_is_named(
    tmp_path: Path, missing: str, engine: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = util.find_spec
    monkeypatch.setattr("gql.composition.find_spec", lambda name: None if name == missing else find(name))

    with pytest.raises(InvalidInput) as refused:
        make_lake(settings(tmp_path, engine))
    assert refused.value.message == sentence
    assert make_lake(Settings()) is None


def test_an_address_of_copies_that_is_none_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^SEGMENTS_LAKE must be a folder, or like s3://bucket/prefix") as refused:
        make_lake(Settings(data=tmp_path, lake="ftp://user:hunter2@host"))
    assert "hunter2" not in refused.value.message
