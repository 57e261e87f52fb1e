"""Files sent to the application as a client sends them, and the worker beside it, which works when it is told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from domain.jobs.worker import Worker
from gql.app import open_upload
from gql.settings import Settings
from persistence.database.engines import Database
from persistence.imports.uploads import UploadHandler
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, facing

CSV = {"Content-Type": "text/csv"}
HEADER = "customer_id,order_id,date,amount,category"
ROWS = "\n".join((HEADER, *(f"C{n},O{n},2024-03-01,{n + 1}.00,Tea" for n in range(30)), ",x,2024-03-01,1,Tea", ""))
IMPORT = """query I($id: ID!) { node(id: $id) { ... on PurchaseImport {
  status source rowsRead created updated unchanged rejected progress { fraction phase } error { code message }
  quality { unknownCategories outliers largestOutliers { orderId amount } } undoneAt
  rejects { nodes { line text reason } totalCount } } } }"""


@dataclass
class Place:
    """The application, and the worker beside it, which works only when it is told to."""

    face: Face
    handler: UploadHandler
    worker: Worker
    folder: Path

    async def send(self, body: Any = ROWS, query: str = "", token: str | None = None, **headers: str) -> httpx.Response:
        content = body.encode() if isinstance(body, str) else body
        given = {**CSV, **self.face.bearer(token), **headers}
        return await self.face.client.post(f"/imports/purchases{query}", content=content, headers=given)

    async def import_waiting(self) -> None:
        """Let everything that waits be imported."""
        for business in await self.worker.store.load_businesses():
            await self.worker.run_once(business)

    async def told(self, number: str) -> Any:
        return (await self.face.data(IMPORT, {"id": number}))["node"]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


@asynccontextmanager
async def placing(database: Database, clock: SetClock, folder: Path) -> AsyncIterator[Place]:
    """The application over the store, with its data folder there; it takes files of 20,000 bytes."""
    settings = Settings(jwt_secret=SECRET, data=folder, upload_bytes=20_000, cost_bucket=0)
    async with facing(database, clock, settings) as face:
        imports = face.services.imports
        customers, opening = face.services.customers, partial(open_upload, database)
        handler = UploadHandler(database, clock, imports, customers, folder / "imports", opening, "worker")
        yield Place(face, handler, Worker(imports.store, clock, imports.feed, (handler,)), folder / "imports")
