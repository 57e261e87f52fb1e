"""Purchases from a MongoDB collection, by plain find cursors in the order of `_id`. A dropped connection is taken up
after the last document that was read; after a known key only what is newer is read, and the earlier documents of the
orders that it touches, because a source states its orders completely."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

from bson import ObjectId, json_util
from pymongo.errors import OperationFailure, PyMongoError

from domain.errors import InvalidInput
from domain.import_columns import ALIASES, normalised
from domain.import_rows import Batch
from domain.mongo_settings import MongoSettings
from persistence.sources.kept_names import KeptNames
from persistence.sources.mongo_cells import (
    DEFAULTS,
    NAME_PATH,
    OPTIONAL,
    CellFault,
    at_path,
    cell,
    key_text,
    paths,
    row,
)
from persistence.sources.mongo_connection import Document, MongoConnection, explained, lost

BATCH = 500
SAMPLE = 100
"""Documents that show which fields there are."""
TRIES = 6
FIRST_WAIT = 0.1
OVERLAP = timedelta(minutes=5)
"""Keys are made by clocks of several machines: so much before the last one is read again."""


class MongoSource:
    """One collection; `after` is the state of an earlier reading, from which only newer documents are read."""

    typed = True

    def __init__(
        self,
        settings: MongoSettings,
        mapping: Mapping[str, str],
        *,
        decimal: str = ".",
        after: Mapping[str, Any] | None = None,
    ) -> None:
        if not settings.database or not settings.collection:
            missing = "--database" if not settings.database else "--collection"
            raise InvalidInput(f"{missing} must be given, or set in the section mongodb of the settings")
        self.settings = settings
        self.database, self.collection = settings.database, settings.collection
        self.name = f"{self.database}.{self.collection}"
        self.decimal = decimal
        self.after = None if after is None else _start(json_util.loads(str(after["key"])))
        self.known: Any = None if after is None else json_util.loads(str(after["key"]))
        self.last = self.known
        self.names = KeptNames()
        with MongoConnection(settings.uri) as connection:
            sample = connection.run(self._sample(connection))
        seen = list(dict.fromkeys(path for document in sample for path in paths(document) if path != "_id"))
        said = {normalised(of) for of in mapping.values()}
        # A field that is told, or that only some documents have, need not stand in those that were looked at.
        self.rare = [one for one in OPTIONAL if one not in seen]
        if not {"category", "product.category"} & {*seen, *said}:
            self.rare.append("product.category")
        self.header = list(dict.fromkeys([*seen, *mapping, *self.rare]))
        defaults = {path: of for path, of in DEFAULTS.items() if path in self.header and normalised(of) not in said}
        self.mapping = {**defaults, **mapping}
        self.paths: list[list[str] | None] = [name.split(".") for name in self.header]

    def only(self, places: Iterable[int]) -> None:
        """From now on read these columns alone."""
        keep = set(places)
        self.paths = [name.split(".") if place in keep else None for place, name in enumerate(self.header)]

    def state(self) -> dict[str, Any] | None:
        """From where a later reading may go on; None where nothing was read."""
        return None if self.last is None else {"key": json_util.dumps(self.last)}

    def anything_new(self) -> bool:
        """Whether there is a document beyond the last one that was read."""
        if self.known is None:
            return True
        with MongoConnection(self.settings.uri) as connection:
            collection = connection.collection(self.database, self.collection)
            found = connection.run(_page(collection.find({"_id": {"$gt": self.known}}, {"_id": 1}).limit(1)))
            if isinstance(found, PyMongoError):
                raise explained(found, connection.hosts)
            return bool(found)

    def batches(self) -> Generator[Batch, None, None]:
        """The documents as rows; line numbers count them."""
        self.names.clear()
        self.last = self.known
        count = 0
        order = self._order_path()
        fetched: set[str] = set()
        with MongoConnection(self.settings.uri) as connection:
            for page in self._pages(connection, {} if self.after is None else {"_id": {"$gte": self.after}}, True):
                documents = page
                if self.after is not None:
                    documents = [*self._earlier(connection, page, order, fetched), *page]
                for start in range(0, len(documents), BATCH):
                    part = documents[start : start + BATCH]
                    yield self._batch(part, count + 1)
                    count += len(part)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every document with the text that it is shown as."""
        with closing(self.batches()) as batches:
            for batch in batches:
                yield from zip(batch.lines, batch.raw or batch.rows, strict=True)

    async def _sample(self, connection: MongoConnection) -> list[Document]:
        collection = connection.collection(self.database, self.collection)
        found: list[Document] = await collection.find({}).sort("_id", -1).limit(SAMPLE).to_list(SAMPLE)
        if found:
            return found
        assert connection.client is not None
        try:
            there = await connection.client[self.database].list_collection_names()
        except OperationFailure:
            there = [self.collection]
        if self.collection not in there:
            names = ", ".join(sorted(there)[:20]) or "none"
            raise InvalidInput(f"The database {self.database} has no collection {self.collection}. There are: {names}.")
        raise InvalidInput(f"No data found in {self.name}.")

    def _order_path(self) -> str:
        """Where order ids stand."""
        told = [path for path, of in self.mapping.items() if normalised(of) in ("orderid", *ALIASES["order_id"])]
        return next(iter([*told, *(one for one in self.header if normalised(one) in ALIASES["order_id"])]), "order_id")

    def _pages(self, connection: MongoConnection, where: Document, keys: bool) -> Iterator[list[Document]]:
        """The documents in the order of `_id`, taken up again after the last where the connection is lost."""
        last, failures = None, 0
        cursor = self._find(connection, where)
        while True:
            page = connection.run(_page(cursor))
            if isinstance(page, PyMongoError):
                failures += 1
                if failures >= TRIES or not lost(page):
                    raise explained(page, connection.hosts)
                time.sleep(FIRST_WAIT * 2**failures)
                after: Document = {} if last is None else {"_id": {**where.get("_id", {}), "$gt": last}}
                cursor = self._find(connection, {**where, **after})
                continue
            failures = 0
            if not page:
                return
            if len({_kind(document["_id"]) for document in page} | ({_kind(last)} if last is not None else set())) > 1:
                raise InvalidInput(
                    f"{self.name} has documents whose _id are of several types. Only one type has a certain order."
                )
            last = page[-1]["_id"]
            if keys:
                self.last = last
            yield page

    def _find(self, connection: MongoConnection, where: Document) -> Any:
        collection = connection.collection(self.database, self.collection)
        fields = {path[0]: 1 for path in (*filter(None, self.paths), NAME_PATH.split("."))}
        return collection.find(where, fields).sort("_id", 1).batch_size(BATCH)

    def _earlier(
        self, connection: MongoConnection, page: Sequence[Document], path: str, fetched: set[str]
    ) -> list[Document]:
        """What stood before the known key of the orders of these documents, each order once."""
        wanted: dict[str, list[Any]] = {}
        for document in page:
            try:
                value = at_path(document, path.split("."))
                text = cell(value).strip()
            except CellFault:
                continue
            if text and text not in fetched and text.isprintable():
                wanted[text] = [value, text, *([int(text)] if text.isdecimal() and len(text) < 18 else [])]
        if not wanted:
            return []
        fetched.update(wanted)
        variants = [one for values in wanted.values() for one in values]
        where = {path: {"$in": variants}, "_id": {"$lt": self.after}}
        return [document for found in self._pages(connection, where, False) for document in found]

    def _batch(self, documents: Sequence[Document], first: int) -> Batch:
        rows, raw, faults, names = [], [], {}, []
        for line, document in enumerate(documents, first):
            cells, fault = row(document, self.paths, self.decimal)
            if fault:
                faults[line] = fault
            rows.append(cells)
            raw.append([f"_id {key_text(document.get('_id'))}", *(text for text in cells if text)])
            names.append(_name(document))
        self.names.keep(one for one in names if one is not None)
        joined = "".join(map("".join, rows))
        clean = joined.isascii() or _encodes(joined)
        return Batch(range(first, first + len(rows)), rows, clean and "\0" not in joined, raw, faults)


def _name(document: Document) -> tuple[str, str] | None:
    try:
        customer = cell(at_path(document, ("customer", "id"))).strip()
        name = cell(at_path(document, NAME_PATH.split("."))).strip()
    except CellFault:
        return None
    return (customer, name) if customer and name and _encodes(customer + name) else None


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _start(key: Any) -> Any:
    """From where to read after the key."""
    if isinstance(key, ObjectId):
        return ObjectId.from_datetime(key.generation_time - OVERLAP)
    return key


def _kind(key: Any) -> str:
    """What keys are compared within."""
    return "number" if isinstance(key, int | float) else type(key).__name__


async def _page(cursor: Any) -> Any:
    """The next documents, or the driver's failure, so that the reader may decide about it."""
    try:
        return await cursor.to_list(BATCH)
    except PyMongoError as error:
        return error
