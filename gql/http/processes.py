"""The server's processes: how one ends when it is told to, and how several are kept alive. Whatever still runs, an end
takes less than ten seconds, and a second signal ends the process at once: all that is kept is kept by transactions, and
what was interrupted goes on with the next start."""

import asyncio
import logging
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from gql.counters import forget_sockets

DRAIN_SECONDS = 1.0
"""Between the word that the process ends and the end of accepting: whoever spreads the load must hear it."""
REQUEST_SECONDS = 6
"""How long requests that are on their way may take after that."""
END_SECONDS = 9.0
"""After so long a process is gone, whoever still has not ended."""
ANSWER_SECONDS = 60.0
"""How long a worker may keep silent, its start included: on a busy machine that takes a while."""
MOST_FILES = 10_000
"""Open files and connections of a process, where the system allows so many."""
SIGNALS = (signal.SIGTERM, signal.SIGINT)
log = logging.getLogger("segments.process")


def raise_file_limit() -> int:
    """Let this process, and those that it starts, open as many files as they need; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return max(soft, most)


def obey_signals(begin_to_end: Callable[[], None]) -> None:
    """To be called within a server that handles signals: at the first one `begin_to_end` is called, for whatever works
    beside the requests, and the server hears of it, of SIGTERM a moment later, so that /readyz says no before it stops
    accepting. The server puts back the handlers that were there before its own."""
    stop = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(stop):
        return
    loop = asyncio.get_running_loop()
    ending = threading.Timer(END_SECONDS, _end_by_force)
    ending.daemon = True

    # One of several hears each signal from the first process, and where all of a group are told also by itself; which
    # one is the second, the first process knows.
    alone = multiprocessing.parent_process() is None

    def obey(number: int, frame: FrameType | None) -> None:
        if ending.is_alive():
            if alone:
                _end_at_once(number)
            return
        ending.start()
        loop.call_soon_threadsafe(begin_to_end)
        wait = DRAIN_SECONDS if number == signal.SIGTERM else 0.0
        loop.call_soon_threadsafe(loop.call_later, wait, stop, number, None)

    for number in SIGNALS:
        signal.signal(number, obey)


def serve_alone(config: uvicorn.Config, listener: socket.socket) -> bool:
    """Serve in this process until the end; whether it ever began."""
    server = uvicorn.Server(config)

    def pass_on(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        # Of a server that has shut down in good order the process ends by itself.
        if not server.should_exit:
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    server.run([listener])
    return server.started


class Workers(Multiprocess):
    """Processes that serve on one address. One that died, or keeps silent for too long, is begun anew, and the log says
    why; nobody is waited for meanwhile."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config, [listener])
        self._asked: dict[Process, float] = {}
        self._ending = False
        self.failed = False
        for number in SIGNALS:
            signal.signal(number, self._obey)

    def keep_subprocess_alive(self) -> None:
        """Ask every worker how it is, and look at what it answered."""
        for place, process in enumerate(self.processes):
            why = self._find_fault(process)
            if why is None:
                continue
            process.kill()
            process.join()
            forget_sockets(process.pid)
            self._asked.pop(process, None)
            if process.exitcode == STARTUP_FAILURE:
                log.error("worker %s could not start; the server ends", process.pid)
                self.failed = True
                self.should_exit.set()
            if self.should_exit.is_set():
                return
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()
            log.warning("worker %s %s; worker %s takes its place", process.pid, why, self.processes[place].pid)

    def join_all(self) -> None:
        """Wait for the workers as long as each of them has to end."""
        until = time.monotonic() + END_SECONDS + 0.3
        for process in self.processes:
            process.process.join(max(0.0, until - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()

    def _find_fault(self, process: Process) -> str | None:
        """Why the worker must be begun anew; None where it lives and may still answer."""
        if not process.process.is_alive():
            code = process.exitcode or 0
            return f"ended with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        try:
            if process in self._asked and process.parent_conn.poll():
                process.parent_conn.recv()
                del self._asked[process]
            if process not in self._asked:
                process.parent_conn.send(b"ping")
                self._asked[process] = time.monotonic()
        except (OSError, EOFError):
            return "closed its connection"
        silent = time.monotonic() - self._asked[process]
        return f"did not answer for {silent:.0f} s" if silent > ANSWER_SECONDS else None

    def _obey(self, number: int, frame: FrameType | None) -> None:
        if self._ending:
            for process in self.processes:
                process.process.kill()
            _end_at_once(number)
        self._ending = True
        # Not set here: whoever was interrupted may hold the event's lock.
        threading.Thread(target=self.should_exit.set, daemon=True).start()


def _end_at_once(number: int) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _end_by_force() -> None:
    log.warning("not everything came to its end in %.0f s; it goes on with the next start", END_SECONDS)
    os._exit(0)
