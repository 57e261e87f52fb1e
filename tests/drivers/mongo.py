"""A MongoDB to read from over a real socket (nx-27017, which speaks its wire protocol over SQLite and is not mongod), a
proxy that drops connections, and a server that only refuses."""

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import bson
from bson import ObjectId
from pymongo import MongoClient

from tests.drivers.server import free_port

SERVER = Path(sys.executable).parent / "nx-27017"


@dataclass
class Mongo:
    """A server and one database of it."""

    port: int
    database: str

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/"

    def insert(self, collection: str, *documents: dict[str, Any]) -> None:
        with MongoClient[dict[str, Any]](self.uri) as client:
            client[self.database][collection].insert_many([dict(one) for one in documents])

    def change(self, collection: str, which: dict[str, Any], values: dict[str, Any]) -> None:
        """Change all documents that match. They are put anew, because this server's $set makes texts of dates."""
        with MongoClient[dict[str, Any]](self.uri, tz_aware=True) as client:
            place = client[self.database][collection]
            for document in place.find(which).to_list():
                place.delete_one({"_id": document["_id"]})
                place.insert_one({**document, **values})


def place(mongo: Mongo, collection: str = "purchases") -> tuple[str, ...]:
    return ("--source", "mongodb", "--database", mongo.database, "--collection", collection)


@contextmanager
def serve_mongodb(folder: Path) -> Iterator[int]:
    """A server in memory, on a port of its own."""
    port = free_port()
    own = ["--log-file", str(folder / "log"), "--pid-file", str(folder / "pid")]
    command = [str(SERVER), "--db", "memory", "--port", str(port), *own]
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def purchase(customer: str, order: object, day: datetime, amount: object, **more: Any) -> dict[str, Any]:
    """A document of the documented form."""
    return {
        "customer": {"id": customer, "name": f"{customer} of Galle"},
        "order_id": order,
        "date": day,
        "total_amount_lkr": amount,
        "product": {"category": "Tea"},
        **more,
    }


def key(at: datetime, number: int = 0) -> ObjectId:
    """A key made at that time."""
    return ObjectId(ObjectId.from_datetime(at).binary[:8] + struct.pack(">I", number))


@dataclass
class Proxy:
    """Hands bytes on to the server; the answers of the first `drops` connections that reach `after` bytes are cut."""

    target: int
    after: int
    drops: int
    cut: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    open: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.listener.getsockname()[1]}/"

    def __enter__(self) -> "Proxy":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        # First of all the one who accepts, so that no connection is added any more.
        self.threads[0].join(5)
        for one in (self.listener, *self.open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self.threads:
            thread.join(5)

    def _start(self, work: Any, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.open.append(client)
                server = socket.create_connection(("127.0.0.1", self.target))
                self.open.append(server)
                self._start(self._hand_on, client, server, False)
                self._start(self._hand_on, server, client, True)

    def _hand_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(4096):
                passed += len(data)
                if answers and passed > self.after and self.cut < self.drops:
                    self.cut += 1
                    break
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def refusing(code: int, name: str) -> Iterator[str]:
    """The address of a server that greets and then refuses every command, as mongod does with this code."""
    listener = socket.create_server(("127.0.0.1", 0))
    hello = {"ok": 1.0, "isWritablePrimary": True, "maxWireVersion": 21, "minWireVersion": 0, "helloOk": True}
    greeting = {**hello, "ismaster": True, "maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 48_000_000}
    refusal = {"ok": 0.0, "code": code, "codeName": name, "errmsg": f"{name}: user ada with secret hunter2"}

    def serve(client: socket.socket) -> None:
        with suppress(OSError, struct.error), client:
            while True:
                length, number, _, kind = struct.unpack("<iiii", read(client, 16))
                body = read(client, length - 16)
                if kind == 2004:
                    start = body.index(b"\0", 4) + 9
                    answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(greeting)
                    reply = 1
                else:
                    start = 5
                    document = bson.decode(body[start : start + struct.unpack_from("<i", body, start)[0]])
                    said = greeting if {"hello", "ismaster", "isMaster"} & set(document) else refusal
                    answer = struct.pack("<iB", 0, 0) + bson.encode(said)
                    reply = 2013
                client.sendall(struct.pack("<iiii", len(answer) + 16, 1, number, reply) + answer)

    def read(client: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = client.recv(size - len(data))
            if not more:
                raise OSError
            data += more
        return data

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def silent() -> Iterator[str]:
    """An address where connecting never ends: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
