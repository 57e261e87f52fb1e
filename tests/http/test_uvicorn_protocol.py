"""What gql/http/uvicorn_protocol.py and processes.py build on inside uvicorn: every method and attribute by its name.
Most of it is no public interface, so pyproject.toml admits no other versions than were read: where another is to be
installed, this fails before a slow client shows what has changed. Then read the two files beside the new uvicorn, run
the tests of deadlines, slow clients, strangers, sockets and workers, and write the new range here and there."""

import inspect
import tomllib

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from gql.http.processes import Workers
from gql.http.uvicorn_protocol import PatientProtocol, PatientSocket, SlowReader
from tests.drivers.documents import ROOT

KNOWN_VERSIONS = "uvicorn>=0.54,<0.55"
OVERRIDDEN = [
    (PatientProtocol, HttpToolsProtocol, "connection_made connection_lost data_received handle_websocket_upgrade"),
    (PatientProtocol, HttpToolsProtocol, "on_message_begin on_headers_complete on_body"),
    (PatientProtocol, HttpToolsProtocol, "on_message_complete on_response_complete timeout_keep_alive_handler"),
    (PatientProtocol, HttpToolsProtocol, "pause_writing resume_writing"),
    (PatientSocket, WebSocketsSansIOProtocol, "pause_writing resume_writing receive run_asgi keepalive_timeout"),
    (PatientSocket, WebSocketsSansIOProtocol, "handle_cont connection_lost"),
    (Workers, Multiprocess, "keep_subprocess_alive join_all"),
]
READ = [
    (HttpToolsProtocol, "loop transport client cycle app_state ws_protocol_class url headers"),
    (RequestResponseCycle, "response_started response_complete"),
    (WebSocketsSansIOProtocol, "loop transport app_state conn frames writable read_paused close_sent disconnected"),
    (Multiprocess, "config sockets processes should_exit"),
    (Process, "parent_conn process"),
]


def test_uvicorn_is_the_one_that_was_read() -> None:
    admitted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    assert KNOWN_VERSIONS in admitted
    assert uvicorn.__version__.startswith("0.54.")


@pytest.mark.parametrize(("ours", "theirs", "names"), OVERRIDDEN)
def test_what_is_overridden_is_there_and_takes_the_same(ours: type, theirs: type, names: str) -> None:
    for name in names.split():
        assert name in vars(ours)
        assert list(inspect.signature(getattr(ours, name)).parameters) == list(
            inspect.signature(getattr(theirs, name)).parameters
        ), name


def test_nothing_of_ours_hides_what_uvicorn_has_by_chance() -> None:
    listed = {(ours, name) for ours, _, names in OVERRIDDEN for name in names.split()}
    hidden = {
        (ours, name)
        for ours, theirs in ((PatientProtocol, HttpToolsProtocol), (PatientSocket, WebSocketsSansIOProtocol))
        for kind in (ours, SlowReader)
        for name in vars(kind)
        if not name.startswith("__") and hasattr(theirs, name)
    }

    assert hidden == {(ours, name) for ours, name in listed if ours is not Workers}


@pytest.mark.parametrize(("theirs", "names"), READ)
def test_what_is_read_is_set_there(theirs: type, names: str) -> None:
    source = inspect.getsource(theirs)

    assert [name for name in names.split() if f"self.{name}" not in source] == []


def test_what_is_called_is_there() -> None:
    assert callable(WebSocketsSansIOProtocol.handle_parser_exception)
    assert STATUS_LINE[408].startswith(b"HTTP/1.1 408 ")
    assert {"is_alive", "kill", "join", "exitcode", "pid", "start"} <= set(dir(Process))
