"""Reports on a schedule as a server with its folder writes them, and tells of those that it cannot write."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from domain.model import Actor
from gql.app import create_app
from gql.settings import Settings
from tests.drivers.face import SECRET, Face
from tests.drivers.sockets import becomes, live
from tests.http.test_alerts import Endpoint, endpoint

__all__ = ["endpoint"]
pytestmark = pytest.mark.anyio
EVERY = {"every": "0 * * * *"}
REPORTS = [{"name": "hourly", "format": "pdf", **EVERY}, {"name": "odd", "format": "csv", "storefront": "x", **EVERY}]


async def test_a_server_with_a_folder_writes_what_is_due_and_posts_what_fails(
    face: Face, endpoint: Endpoint, tmp_path: Path
) -> None:
    await face.services.business_changes.set_settings("shop", {"scheduled_reports": REPORTS}, Actor("test"))
    settings = Settings(jwt_secret=SECRET, data=tmp_path, alert_url=endpoint.url)
    shop = tmp_path / "reports" / "shop"
    database = face.database

    async with live(create_app(replace(settings, reports_folder=shop.parent), face.clock, database=database)):
        await becomes(lambda: planned(face))
        face.clock.now += timedelta(hours=1)
        await becomes(lambda: endpoint.posted, 20)

    assert [path.name for path in shop.iterdir()] == ["hourly-2024-06-15-1300.pdf"]
    assert next(shop.iterdir()).read_bytes().startswith(b"%PDF-")
    (posted,) = endpoint.posted
    assert (posted["event"], posted["business"], posted["report"]) == ("report.failed", "shop", "odd")
    assert posted["message"] == "There is no storefront with the key x."


def planned(face: Face) -> bool:
    """Whether the server has seen the setting."""
    with face.database.bulk.connect() as connection:
        return connection.exec_driver_sql("SELECT reports FROM label_state").scalar() is not None
