"""Sail, which speaks Spark Connect without Java, within the process of the test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pysail.spark import SparkConnectServer


@contextmanager
def serve_sail() -> Iterator[str]:
    """Its address, until the block ends."""
    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    host, port = server.listening_address
    with pytest.MonkeyPatch.context() as patch:
        # Or the client takes a process of pytest-xdist, whose main module is no file, for a run of its own doctests.
        patch.setattr(sys.modules["__main__"], "__file__", __file__, raising=False)
        yield f"sc://{host}:{port}"
    server.stop()
