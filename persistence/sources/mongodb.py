"""Purchases from a MongoDB collection, by plain find cursors in the order of `_id`. A dropped connection is taken up
after the last document that was read; after a known key only what is newer is read, and the earlier documents of the
orders that it touches or of those that were changed since, because a source states its orders completely. What stands
at a path of a document becomes the text of a cell, exactly, or the reason why it cannot be read; nothing of a document
is evaluated."""

import math
import re
import time
from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bson import Decimal128, ObjectId, json_util
from pymongo.errors import OperationFailure, PyMongoError

from domain.businesses.mongodb import MongoSettings, check_names
from domain.errors import InvalidInput, Sentence
from domain.imports.columns import ALIASES, PROFILE_FIELDS, find_field, normalise_header
from domain.imports.rows import Batch
from persistence.sources.mongo_connection import Document, MongoConnection, explain_failure, is_connection_lost
from persistence.tables.columns import is_storable

DEFAULTS = {"customer.id": "customer_id", "customer.name": "name", "product.category": "category"}
"""Where fields stand that have no column of their name."""
OPTIONAL = ("status", "currency", "storefront", "channel", "customer.name")
"""What only some documents may have; it is looked for in all."""
WHOLE = re.compile(r"[0-9]{1,17}")
KINDS = {dict: "an object", list: "a list", bool: "true or false", bytes: "binary data"}
DEEPEST = 8


class CellFault(ValueError):
    """Why a value cannot be a cell."""


def format_cell(value: Any, decimal: str = ".") -> str:
    """The value as text; CellFault where it has no plain form."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise CellFault("is true or false")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CellFault("is not a finite number")
        # Fifteen digits are what a binary fraction holds; those beyond are noise.
        return f"{Decimal(format(value, '.15g')):f}".replace(".", decimal)
    if isinstance(value, Decimal128):
        exact = value.to_decimal()
        if not exact.is_finite() or abs(exact.adjusted()) > 60:
            raise CellFault("is not a finite number")
        return f"{exact:f}".replace(".", decimal)
    if isinstance(value, datetime):
        at = value.astimezone(UTC) if value.tzinfo else value
        return f"{at.replace(tzinfo=None).isoformat()}Z"
    if isinstance(value, ObjectId | UUID):
        return str(value)
    raise CellFault(f"is {KINDS.get(type(value), f'of the type {type(value).__name__}')}")


def get_value_at(document: Mapping[str, Any], path: Sequence[str]) -> Any:
    """What stands at the path, None where nothing does; a whole number is a place in a list."""
    value: Any = document
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and WHOLE.fullmatch(part):
            value = value[int(part)] if int(part) < len(value) else None
        elif value is None:
            return None
        else:
            raise CellFault(f"stands in what is {KINDS.get(type(value), 'no object')}")
    return value


def list_paths(document: Mapping[str, Any], before: str = "", depth: int = 1) -> list[str]:
    """Every path of a document that ends in a value."""
    paths = []
    for name, value in document.items():
        if isinstance(value, Mapping) and depth < DEEPEST:
            paths += list_paths(value, f"{before}{name}.", depth + 1)
        else:
            paths.append(f"{before}{name}")
    return paths


def build_row(
    document: Mapping[str, Any],
    header: Sequence[Sequence[str] | None],
    decimal: str,
    spared: Container[int] = (),
) -> tuple[list[str], str]:
    """The cells at these paths, empty where there is none, and what could not be read, empty where all could; what
    cannot be read at the `spared` places is nothing."""
    cells, faults = [], []
    for place, path in enumerate(header):
        cell = ""
        try:
            cell = "" if path is None else format_cell(get_value_at(document, path), decimal)
        except CellFault as fault:
            if place not in spared:
                faults.append(f"{'.'.join(path or ())} {fault}")
        cells.append(cell if place not in spared or is_storable(cell) else "")
    return cells, "; ".join(faults)


def format_key(key: Any) -> str:
    """The `_id` of a document for people to read."""
    try:
        return format_cell(key)
    except CellFault:
        return repr(key)[:200]


def read_date(document: Mapping[str, Any], path: str) -> datetime | None:
    """The date at the path, None where something else or nothing stands there."""
    try:
        value = get_value_at(document, path.split("."))
    except CellFault:
        return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def has_date(documents: Sequence[Mapping[str, Any]], path: str) -> bool:
    """Whether one of them has a date there."""
    return any(read_date(document, path) is not None for document in documents)


def is_encodable(text: str) -> bool:
    """Whether it is text as UTF-8 can write it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


BATCH = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SAMPLE = 100
"""Documents that show which fields there are."""
TRIES = 6
FIRST_WAIT = 0.1
OVERLAP = timedelta(minutes=5)
"""Keys and times of changes are made by clocks of several machines: so much before the last one is read again."""
CHANGED = ("updated_at", "updatedAt")
"""Where documents commonly say when they were changed."""


class MongoSource:
    """One collection; `after` is the state of an earlier reading, from which only newer and changed documents are read.
    Changes that are said to be later than `now` are not taken for known."""

    typed = True

    def __init__(
        self,
        settings: MongoSettings,
        mapping: Mapping[str, str],
        *,
        now: datetime,
        decimal: str = ".",
        after: Mapping[str, Any] | None = None,
    ) -> None:
        if not settings.database or not settings.collection:
            missing = "{database}" if not settings.database else "{collection}"
            raise InvalidInput(Sentence(f"{missing} must be given, or set in the section mongodb of the settings"))
        check_names(settings)
        self.settings = settings
        self.database, self.collection = settings.database, settings.collection
        self.name = f"{self.database}.{self.collection}"
        self.decimal = decimal
        self.now = now
        with MongoConnection(settings.uri) as connection:
            sample = connection.run(self._load_sample(connection))
        self.changed = settings.updated_field or next((name for name in CHANGED if has_date(sample, name)), None)
        if after is not None and after.get("updated_field") != self.changed:
            # What changed before cannot be told.
            after = None
        self.known: Any = None if after is None else json_util.loads(str(after["key"]))
        self.after = None if after is None else _find_start(self.known)
        self.known_change = None if after is None else _read_time(after.get("updated"))
        self.last, self.last_change = self.known, self.known_change
        seen = list(dict.fromkeys(path for document in sample for path in list_paths(document) if path != "_id"))
        self.unseen = [path for path in mapping if path not in seen]
        mapped = {normalise_header(of) for of in mapping.values()}
        # A field that is told, or that only some documents have, need not stand in those that were looked at.
        self.rare = [one for one in OPTIONAL if one not in seen]
        if not {"category", "product.category"} & {*seen, *mapped}:
            self.rare.append("product.category")
        self.header = list(dict.fromkeys([*seen, *mapping, *self.rare]))
        defaults = {
            path: of for path, of in DEFAULTS.items() if path in self.header and normalise_header(of) not in mapped
        }
        self.mapping = {**defaults, **mapping}
        self.paths: list[list[str] | None] = [name.split(".") for name in self.header]
        # No purchase is refused for what is said of its customer.
        said = (place for place, path in enumerate(self.header) if self._is_said_of_customer(path))
        self.of_customers = frozenset(said)

    def keep_columns(self, places: Iterable[int]) -> None:
        """From now on read these columns alone."""
        keep = set(places)
        self.paths = [name.split(".") if place in keep else None for place, name in enumerate(self.header)]

    def get_state(self) -> dict[str, Any] | None:
        """From where a later reading may go on; None where nothing was read."""
        if self.last is None:
            return None
        changed = None if self.last_change is None else self.last_change.isoformat()
        return {"key": json_util.dumps(self.last), "updated_field": self.changed, "updated": changed}

    def has_new_documents(self) -> bool:
        """Whether there is a document beyond the last one that was read, or one that was changed later."""
        if self.known is None:
            return True
        conditions: list[Document] = [{"_id": {"$gt": self.known}}]
        if self.changed is not None:
            conditions.append({self.changed: {"$gt": self.known_change or EPOCH}})
        with MongoConnection(self.settings.uri) as connection:
            collection = connection.get_collection(self.database, self.collection)
            for condition in conditions:
                documents = connection.run(_load_page(collection.find(condition, {"_id": 1}).limit(1)))
                if isinstance(documents, PyMongoError):
                    raise explain_failure(documents, connection.hosts)
                if documents:
                    return True
        return False

    def read_batches(self) -> Generator[Batch, None, None]:
        """The documents as rows; line numbers count them."""
        self.last, self.last_change = self.known, self.known_change
        count = 0
        with MongoConnection(self.settings.uri) as connection:
            for documents in self._load_documents(connection):
                for start in range(0, len(documents), BATCH):
                    part = documents[start : start + BATCH]
                    yield self._build_batch(part, count + 1)
                    count += len(part)

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every document with the text that it is shown as."""
        with closing(self.read_batches()) as batches:
            for batch in batches:
                yield from zip(batch.lines, batch.raw or batch.rows, strict=True)

    async def _load_sample(self, connection: MongoConnection) -> list[Document]:
        collection = connection.get_collection(self.database, self.collection)
        documents: list[Document] = await collection.find({}).sort("_id", -1).limit(SAMPLE).to_list(SAMPLE)
        if documents:
            return documents
        assert connection.client is not None
        try:
            there = await connection.client[self.database].list_collection_names()
        except OperationFailure:
            there = [self.collection]
        if self.collection not in there:
            names = ", ".join(sorted(there)[:20]) or "none"
            raise InvalidInput(f"The database {self.database} has no collection {self.collection}. There are: {names}.")
        raise InvalidInput(f"No data found in {self.name}.")

    def _is_said_of_customer(self, path: str) -> bool:
        return path in self.mapping and find_field(self.mapping[path]) in PROFILE_FIELDS

    def _find_path(self, field: str, usual: str) -> str:
        """Where the field stands."""
        names = (normalise_header(field), *ALIASES[field])
        mapped = [path for path, of in self.mapping.items() if normalise_header(of) in names]
        return next(iter([*mapped, *(one for one in self.header if normalise_header(one) in names)]), usual)

    def _load_documents(self, connection: MongoConnection) -> Iterator[list[Document]]:
        """All of them; or what was changed, and what is new, with the earlier documents of their orders."""
        if self.after is None:
            yield from self._load_pages(connection, {}, True)
            return
        order = self._find_path("order_id", "order_id")
        fetched: set[str] = set()
        if self.changed is not None:
            since = EPOCH if self.known_change is None else self.known_change - OVERLAP
            for page in self._load_pages(
                connection, {self.changed: {"$gte": since}, "_id": {"$lt": self.after}}, False
            ):
                # What has no order that could be asked for stands for itself; the others come with their orders.
                alone = [one for one in page if not self._read_order(one, order)]
                yield [*self._load_earlier(connection, page, order, fetched), *alone]
        for page in self._load_pages(connection, {"_id": {"$gte": self.after}}, True):
            yield [*self._load_earlier(connection, page, order, fetched), *page]

    def _note(self, page: Sequence[Document]) -> None:
        """Remember the latest change of these documents."""
        if self.changed is None:
            return
        for document in page:
            at = read_date(document, self.changed)
            if at is not None and at <= self.now and (self.last_change is None or at > self.last_change):
                self.last_change = at

    def _load_pages(self, connection: MongoConnection, where: Document, keys: bool) -> Iterator[list[Document]]:
        """The documents in the order of `_id`, taken up again after the last where the connection is lost."""
        last, failures = None, 0
        cursor = self._find(connection, where)
        while True:
            page = connection.run(_load_page(cursor))
            if isinstance(page, PyMongoError):
                failures += 1
                if failures >= TRIES or not is_connection_lost(page):
                    raise explain_failure(page, connection.hosts)
                time.sleep(FIRST_WAIT * 2**failures)
                after: Document = {} if last is None else {"_id": {**where.get("_id", {}), "$gt": last}}
                cursor = self._find(connection, {**where, **after})
                continue
            failures = 0
            if not page:
                return
            kinds = {_find_kind(document["_id"]) for document in page}
            if last is not None:
                kinds.add(_find_kind(last))
            if len(kinds) > 1:
                raise InvalidInput(
                    f"{self.name} has documents whose _id are of several types. Only one type has a certain order."
                )
            last = page[-1]["_id"]
            if keys:
                self.last = last
            self._note(page)
            yield page

    def _find(self, connection: MongoConnection, where: Document) -> Any:
        collection = connection.get_collection(self.database, self.collection)
        more = [] if self.changed is None else [self.changed.split(".")]
        fields = {path[0]: 1 for path in (*filter(None, self.paths), *more)}
        return collection.find(where, fields).sort("_id", 1).batch_size(BATCH)

    def _load_earlier(
        self, connection: MongoConnection, page: Sequence[Document], path: str, fetched: set[str]
    ) -> list[Document]:
        """What stood before the known key of the orders of these documents, each order once."""
        wanted: dict[str, list[Any]] = {}
        for document in page:
            text = self._read_order(document, path)
            if text and text not in fetched:
                value = get_value_at(document, path.split("."))
                wanted[text] = [value, text, *([int(text)] if WHOLE.fullmatch(text) else [])]
        if not wanted:
            return []
        fetched.update(wanted)
        variants = [one for values in wanted.values() for one in values]
        where = {path: {"$in": variants}, "_id": {"$lt": self.after}}
        return [document for earlier in self._load_pages(connection, where, False) for document in earlier]

    def _read_order(self, document: Document, path: str) -> str:
        """The document's order id, empty where it has none that could be asked for."""
        try:
            text = format_cell(get_value_at(document, path.split("."))).strip()
        except CellFault:
            return ""
        return text if text.isprintable() else ""

    def _build_batch(self, documents: Sequence[Document], first: int) -> Batch:
        rows, raw, faults = [], [], {}
        for line, document in enumerate(documents, first):
            cells, fault = build_row(document, self.paths, self.decimal, self.of_customers)
            if fault:
                faults[line] = fault
            rows.append(cells)
            shown = (text for place, text in enumerate(cells) if text and place not in self.of_customers)
            raw.append([f"_id {format_key(document.get('_id'))}", *shown])
        joined = "".join(map("".join, rows))
        clean = joined.isascii() or is_encodable(joined)
        return Batch(range(first, first + len(rows)), rows, clean and "\0" not in joined, raw, faults)


def _read_time(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(str(text))


def _find_start(key: Any) -> Any:
    """From where to read after the key."""
    if isinstance(key, ObjectId):
        return ObjectId.from_datetime(key.generation_time - OVERLAP)
    return key


def _find_kind(key: Any) -> str:
    """What keys are compared within."""
    return "number" if isinstance(key, int | float) else type(key).__name__


async def _load_page(cursor: Any) -> Any:
    """The next documents, or the driver's failure, so that the reader may decide about it."""
    try:
        return await cursor.to_list(BATCH)
    except PyMongoError as error:
        return error
