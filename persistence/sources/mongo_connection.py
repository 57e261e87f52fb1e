"""A connection to MongoDB for readers that do not run on an event loop: a thread of its own holds the loop of the async
client. Whatever fails is one sentence that names the host and never a user name, a password or a connection string."""

import asyncio
import re
import socket
import threading
import warnings
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from pymongo import AsyncMongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.uri_parser import parse_uri

from domain.errors import DomainError, InvalidInput, Unavailable

T = TypeVar("T")
Document = dict[str, Any]
REFUSED_LOGIN, NOT_ALLOWED, CURSOR_GONE, HOSTED = 18, 13, 43, 8000
LENIENT: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    uuid_representation=UuidRepresentation.STANDARD,
    unicode_decode_error_handler="surrogateescape",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""One text or date that cannot be read costs its document, not the reading."""
WAITS = {"serverSelectionTimeoutMS": 5_000, "connectTimeoutMS": 5_000, "socketTimeoutMS": 60_000}
"""Milliseconds; those that stand in the connection string win."""
WHERE = "SEGMENTS_MONGODB_URI or the section mongodb of the settings"


class ClosingLoop(asyncio.SelectorEventLoop):
    """The driver forgets a socket whose connecting is cancelled; this loop closes it."""

    def __init__(self) -> None:
        super().__init__()
        self.connecting: set[socket.socket] = set()

    def sock_connect(self, sock: socket.socket, address: Any) -> Coroutine[Any, Any, None]:
        """As every loop does it. The socket is noted at once, because the coroutine may be cancelled before it runs."""
        self.connecting.add(sock)
        return self._connect(sock, address)

    def close(self) -> None:
        """Ended, with what was still connecting."""
        while self.connecting:
            self.connecting.pop().close()
        super().close()

    async def _connect(self, sock: socket.socket, address: Any) -> None:
        try:
            await super().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        finally:
            self.connecting.discard(sock)


class MongoConnection:
    """One client and its loop, from `with` to its end."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.hosts = read_hosts(uri)
        self.loop = ClosingLoop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="mongodb", daemon=True)
        self.client: AsyncMongoClient[Document] | None = None

    def __enter__(self) -> "MongoConnection":
        self.thread.start()
        try:
            self.client = self.run(self._connect())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if self.client is not None:
                asyncio.run_coroutine_threadsafe(self.client.close(), self.loop).result(5)
        finally:
            self._end()

    def get_collection(self, database: str, name: str) -> Any:
        assert self.client is not None
        return self.client[database].get_collection(name, codec_options=LENIENT)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the client's loop and wait; Unavailable and InvalidInput say what is wrong."""
        waiting = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return waiting.result()
        except DomainError:
            raise
        except (PyMongoError, BSONError, OSError) as error:
            raise explain_failure(error, self.hosts) from None
        except BaseException:
            waiting.cancel()
            raise

    async def _connect(self) -> AsyncMongoClient[Document]:
        uri = self.uri.lower()
        waits: dict[str, Any] = {name: value for name, value in WAITS.items() if f"{name.lower()}=" not in uri}
        with warnings.catch_warnings():
            # What the driver says of options may hold parts of the string.
            warnings.simplefilter("ignore")
            client: AsyncMongoClient[Document] = AsyncMongoClient(
                self.uri,
                appname="segments",
                **waits,
            )
        try:
            await client.aconnect()
            await client.admin.command("ping")
        except LookupError as error:
            # The driver takes it for granted that an answer holds what it asked for.
            await client.close()
            raise build_answer_error(self.hosts, error) from None
        except BaseException:
            await client.close()
            raise
        return client

    def _end(self) -> None:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_cancel_tasks(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        if not self.loop.is_running():
            self.loop.close()


async def _cancel_tasks() -> None:
    """Whatever the client left running is ended, and its sockets are closed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # A transport closes its socket in the next turn of the loop.
    for _ in range(3):
        await asyncio.sleep(0)


def read_hosts(uri: str) -> str:
    """The hosts of a connection string, without anything else of it; InvalidInput where it is none."""
    if uri.startswith("mongodb+srv://"):
        # Looked up by the driver when it connects.
        # A password with a sign that ought to be written as %2F must not be taken for a host.
        host = re.split("[/?]", uri.removeprefix("mongodb+srv://").rpartition("@")[2])[0]
        if re.fullmatch(r"[\w.-]+", host) is None:
            raise build_uri_error()
        return host
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = parse_uri(uri, validate=True, warn=False)["nodelist"]
    except (PyMongoError, ValueError):
        raise build_uri_error() from None
    return ", ".join(f"{host}:{port}" for host, port in nodes)


def build_uri_error() -> InvalidInput:
    """What is said of a connection string that is none."""
    return InvalidInput(
        f"The connection string of MongoDB cannot be read ({WHERE}). It must be such as "
        "mongodb://user:password@host:27017/, with : / ? # [ ] @ in user and password written as %3A, %2F and so on"
    )


def is_connection_lost(error: BaseException) -> bool:
    """Whether reading on over a new connection may help."""
    if isinstance(error, OperationFailure):
        return error.code == CURSOR_GONE or error.has_error_label("RetryableError")
    return isinstance(error, AutoReconnect)


def explain_failure(error: BaseException, hosts: str) -> DomainError:
    message = str(error)
    if isinstance(error, OperationFailure):
        if error.code == REFUSED_LOGIN or (error.code == HOSTED and "auth" in message.lower()):
            return InvalidInput(f"MongoDB at {hosts} refuses the user name or the password. Check {WHERE}.")
        if error.code == NOT_ALLOWED:
            return InvalidInput(f"MongoDB at {hosts} does not let this user read there. Give it the role read.")
        return Unavailable(f"MongoDB at {hosts} cannot answer (code {error.code}).")
    if isinstance(error, ServerSelectionTimeoutError):
        return Unavailable(f"MongoDB at {hosts} cannot be reached: {_find_reason(message)}. Check the host in {WHERE}.")
    if isinstance(error, ConnectionFailure):
        return Unavailable(f"The connection to MongoDB at {hosts} was lost and could not be had again.")
    if isinstance(error, ConfigurationError) and not isinstance(error, InvalidURI) and "dns" in message.lower():
        return Unavailable(f"MongoDB at {hosts} cannot be reached: the name is not known. Check the host in {WHERE}.")
    if isinstance(error, InvalidURI | ConfigurationError):
        return build_uri_error()
    return build_answer_error(hosts, error)


def build_answer_error(hosts: str, error: BaseException) -> Unavailable:
    """What is said of an answer that no MongoDB gives."""
    return Unavailable(f"MongoDB at {hosts} answered what cannot be understood ({type(error).__name__}).")


def _find_reason(message: str) -> str:
    """Why no server was found, in words of ours: the driver's may hold more than belongs into a message."""
    lower = message.lower()
    for sign, words in (
        ("name or service not known", "the name is not known"),
        ("nodename nor servname", "the name is not known"),
        ("temporary failure in name", "the name is not known"),
        ("getaddrinfo", "the name is not known"),
        ("errno 111", "nothing listens there"),
        ("refused", "nothing listens there"),
        ("certificate", "its certificate is not trusted"),
        ("ssl", "it does not speak TLS as the connection string asks"),
        ("replica set", "it is not the replica set that the connection string names"),
        ("primary", "the replica set has no primary now"),
    ):
        if sign in lower:
            return words
    return "it does not answer"
