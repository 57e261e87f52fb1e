"""The HTTP and WebSocket protocols of the server: uvicorn's, with the patience that it lacks. Headers are small and
come soon, bodies come at a decent rate, answers are taken; whoever keeps a connection without using it loses it. It
builds on the inside of uvicorn, whose version a test therefore pins."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from gql.http.strangers import Stranger, Strangers

MAXIMUM_HEADERS = 32_768
HEADER_SECONDS = 8.0
BODY_SECONDS = 8.0
BODY_RATE = 16_384
"""Bytes that buy a body one more second, and that an answer loses in one."""
FRAMING = 8
"""Bytes of chunk headers and trailers for each byte of a body; the smallest honest chunks need six."""
REFUSED_SECONDS = 1.0
"""How long a body may go on after its answer."""
TAKE_SECONDS = 30.0
MAXIMUM_FRAGMENTS = 1_000


class SlowReader:
    """A connection whose buffer is full, or is to empty before the end: that must go on at a decent rate."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    take_seconds = TAKE_SECONDS
    unread: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """The client does not keep up."""
        self.unwatch()
        waiting = self.transport.get_write_buffer_size()
        if waiting:
            self.unread = self.loop.call_later(self.take_seconds, self.check_progress, waiting)

    def check_progress(self, waiting: int) -> None:
        """End the connection where it took too little since; without an orderly close, which would wait for it."""
        if waiting - self.transport.get_write_buffer_size() < min(waiting, self.take_seconds * BODY_RATE):
            self.transport.abort()
        else:
            self.watch()

    def unwatch(self) -> None:
        """It is gone, or keeps up again."""
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None


class PatientProtocol(SlowReader, HttpToolsProtocol):
    """One connection. At any time it owes us the rest of a request, or we owe it an answer, or it is idle; each state
    but the second has its deadline."""

    stranger: Stranger
    deadline: asyncio.TimerHandle | None = None
    received = 0
    bodied = 0
    began = 0.0
    in_headers = True
    in_body = False
    refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """An empty connection owes its headers. The application is told of the stranger with every request."""
        super().connection_made(transport)
        strangers: Strangers = self.app_state["strangers"]
        self.stranger = strangers.meet(self.client[0] if self.client else "", self._dismiss)
        self.app_state = {**self.app_state, "stranger": self.stranger}
        self._expect(HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._settle()
        self.stranger.leave()
        self.unwatch()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Headers are counted, bodies buy time with every byte."""
        if self.refused:
            return
        if self.in_headers:
            self.received += len(data)
        super().data_received(data)
        if self.refused or self.transport.is_closing():
            return
        if self.in_headers and self.received > MAXIMUM_HEADERS:
            self._refuse(431)
        elif self.in_headers and self.received and self.deadline is None:
            # Most requests come whole, and never owe anything.
            self._expect(HEADER_SECONDS)
        elif self.in_body and not self.cycle.response_complete:
            self.received += len(data)
            if self.received > 2 * MAXIMUM_HEADERS + FRAMING * self.bodied:
                self._refuse(431)
            else:
                late = self.loop.time() - self.began
                self._expect(BODY_SECONDS + self.received / BODY_RATE - late)

    def handle_websocket_upgrade(self) -> None:
        """A socket has its own deadlines."""
        self._settle()
        self.in_headers = self.in_body = False
        self.ws_protocol_class = PatientSocket
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """The next request on the connection."""
        self.in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The body is owed next."""
        if len(self.url) + sum([len(name) + len(value) for name, value in self.headers]) > MAXIMUM_HEADERS:
            self._refuse(431)
            return
        self._settle()
        self.in_headers, self.in_body = False, True
        self.received = self.bodied = 0
        self.began = self.loop.time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body; of a refused one nothing is handed on."""
        self.bodied += len(body)
        if not self.refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing is owed until the next request begins."""
        if self.refused:
            return
        self.in_headers, self.in_body = True, False
        self.received = 0
        self._settle()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A body that goes on after its answer is not read to its end."""
        super().on_response_complete()
        if self.in_body:
            self._expect(REFUSED_SECONDS)

    def timeout_keep_alive_handler(self) -> None:
        """Idle for long enough; what is on its way must still be taken."""
        super().timeout_keep_alive_handler()
        self.watch()

    def pause_writing(self) -> None:
        """The client does not take its answer."""
        super().pause_writing()
        self.watch()

    def resume_writing(self) -> None:
        """It does again."""
        if not self.transport.is_closing():
            self.unwatch()
        super().resume_writing()

    def _expect(self, seconds: float) -> None:
        self._settle()
        self.deadline = self.loop.call_later(max(seconds, 0.0), self._late)

    def _settle(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _late(self) -> None:
        self.deadline = None
        cycle: Any = self.cycle
        if self.in_headers and cycle is not None and not cycle.response_complete:
            # It is we who owe an answer; the half of a next request waits behind it.
            self._expect(HEADER_SECONDS)
        elif self.in_body and cycle is not None and cycle.response_started:
            self.transport.close()
        else:
            self._refuse(408)

    def _dismiss(self) -> None:
        """Another needs the place of a stranger: its time is over now. Where it is owed an answer, or is a socket,
        there is nothing to say."""
        owed = self.transport.get_write_buffer_size() or (self.cycle is not None and not self.cycle.response_complete)
        if self.in_headers and not owed:
            self._refuse(408)
        else:
            self.transport.abort()

    def _refuse(self, status: int) -> None:
        self._settle()
        self.refused = True
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
            self.watch()


class PatientSocket(SlowReader, WebSocketsSansIOProtocol):
    """One socket. A client that does not take what it is sent is not read either, or its pings would pile up their
    answers; one that takes nothing for long enough loses the socket, where an orderly close would wait for ever."""

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        self.transport.pause_reading()
        self.watch()

    def resume_writing(self) -> None:
        """It does again."""
        if not self.transport.is_closing():
            self.unwatch()
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> Any:
        """The next message, which may go on with reading."""
        await self.writable.wait()
        return await super().receive()

    async def run_asgi(self) -> None:
        """After its end, what is on its way must still be taken."""
        await super().run_asgi()
        if not self.disconnected:
            self.watch()

    def keepalive_timeout(self) -> None:
        """The client does not answer any more; it may not take our good-bye either."""
        super().keepalive_timeout()
        self.watch()

    def handle_cont(self, event: Frame) -> None:
        """Part of a message; parts may be empty, so the limit of a message's size does not bound their number."""
        if len(self.frames) < MAXIMUM_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self.unwatch()
        self.app_state["stranger"].leave()
        super().connection_lost(exc)
