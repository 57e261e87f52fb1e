"""The log: one line a record to standard error, whatever the message holds. Nobody logs documents, variables, tokens
or customers' data; statements are logged with their duration and never with their parameters."""

import logging
import sys


class OneLineFormatter(logging.Formatter):
    """A record as one line: line breaks of whatever was put into it are shown, not made."""

    def format(self, record: logging.LogRecord) -> str:
        """Escape what would begin a new line."""
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


def set_up(level: str) -> None:
    """Send everything of ours, and the warnings of others, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLineFormatter("%(asctime)s level=%(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("segments").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log_statement(statement: str, seconds: float) -> None:
    """One statement, without its parameters."""
    logging.getLogger("segments.sql").debug("ms=%.1f %s", seconds * 1000, " ".join(statement.split())[:2000])


def log_damage(code: str) -> None:
    """That the store answered that it is damaged, and with which code."""
    logging.getLogger("segments").error("the store is damaged: it answered with %s", code)
