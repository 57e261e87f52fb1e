"""The log: one record a line to standard error, as text or as JSON, whatever the message holds. Nobody logs documents,
variables, tokens or customers' data; statements are logged with their duration and never with their parameters."""

import json
import logging
import sys
import time
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

TEXT, JSON = LOG_FORMATS = ("text", "json")


@dataclass(slots=True)
class Activity:
    """What is being done: one request, or one operation on a socket. `caller` holds the headers by which whoever asked
    says what it is part of, `seconds` is how long the store took for the statements."""

    request_id: str
    caller: Mapping[str, str] = field(default_factory=dict)
    business: str = ""
    statements: int = 0
    seconds: float = 0.0


activity: ContextVar[Activity | None] = ContextVar("activity", default=None)
"""What the task is part of; nothing of a request where it is none's."""


def _read_fields(record: logging.LogRecord) -> Mapping[str, object]:
    """What the record says beside its message, which whoever logs gives as `extra={"fields": …}`."""
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return fields


def _show(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, str) or not isinstance(value, Collection):
        return str(value)
    return ",".join(map(str, value)) or "-"


class OneLineFormatter(logging.Formatter):
    """A record as one line: line breaks of whatever was put into it are shown, not made."""

    _second = -1
    _begins = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """The library's, of which the second is written once for all of its records."""
        second = int(record.created)
        if second != self._second:
            self._second, self._begins = second, time.strftime(self.default_time_format, self.converter(second))
        return f"{self._begins},{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        """The message and its fields, with what would begin a new line escaped."""
        shown = "".join([f" {name}={_show(value)}" for name, value in _read_fields(record).items()])
        return (super().format(record) + shown).replace("\r", "\\r").replace("\n", "\\n")


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: its time in UTC, level, logger and message, the request and the business that it is
    about where it is about one, then its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of ASCII, which no character of whatever was put into it can break."""
        doing = activity.get()
        about = {} if doing is None else {"request_id": doing.request_id, "business": doing.business or None}
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **about,
            **_read_fields(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def set_up(level: str, form: str = TEXT) -> None:
    """Send everything of ours, and the warnings of others, to standard error. What no line shows is not looked for."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    line = OneLineFormatter("%(asctime)s level=%(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonFormatter() if form == JSON else line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("segments").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log_statement(statement: str, seconds: float) -> None:
    """One statement, without its parameters, where the level asks for it."""
    log = logging.getLogger("segments.sql")
    if log.isEnabledFor(logging.DEBUG):
        log.debug("ms=%.1f %s", seconds * 1000, " ".join(statement.split())[:2000])


def log_damage(code: str) -> None:
    """That the store answered that it is damaged, and with which code."""
    logging.getLogger("segments").error("the store is damaged: it answered with %s", code)
