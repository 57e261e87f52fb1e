"""Apache Spark itself: a master, two workers and a Connect server of this machine give the rows of the store, and do so
where an executor is killed while it works."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from domain.calendar import Span
from gql.composition import Services
from persistence.database.engines import Database
from persistence.lake.spark import SparkEngine
from persistence.reports.windows import select_score_counts
from tests.conftest import SetClock
from tests.drivers.server import free_port, until
from tests.persistence.lake.test_engines import LAST, copy

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
EXECUTOR = "CoarseGrainedExecutorBackend"
SECONDS = 300.0
"""A Spark that has just begun compiles everything anew."""


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def find_executors(workers: list[int]) -> list[int]:
    """Processes that the workers have begun, by their ids."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in workers and EXECUTOR in (path / "cmdline").read_text():
                found.append(int(path.name))
    return sorted(found)


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    """The address of the Connect server, and the processes of the workers."""
    home = os.environ.get("SPARK_HOME")
    if home is None or shutil.which("java") is None:
        pytest.skip("Spark needs Java 17, and SPARK_HOME, which is the folder of pyspark in a venv of its own")
    spark_class, submit = (str(Path(home) / "bin" / name) for name in ("spark-class", "spark-submit"))
    port, connect = free_port(), free_port()
    master = f"spark://127.0.0.1:{port}"
    folder = tmp_path / "spark"
    folder.mkdir()
    here = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_WORKER_DIR": str(folder), "SPARK_NO_DAEMONIZE": "1"}
    options = {
        "spark.connect.grpc.binding.port": str(connect),
        "spark.driver.host": "127.0.0.1",
        "spark.executor.cores": "1",
        "spark.executor.memory": "600m",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
    }
    stated = [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*command: str) -> int:
        with (folder / f"{len(begun)}.log").open("wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **here}, cwd=folder)
        begun.append(process)
        return process.pid

    def tell() -> str:
        return "\n".join(log.read_text()[-2000:] for log in sorted(folder.glob("*.log")))

    try:
        begin(spark_class, MASTER, "-h", "127.0.0.1", "-p", str(port), "--webui-port", "0")
        until(lambda: accepts(port), SECONDS, tell)
        workers = [begin(spark_class, WORKER, master, "-c", "1", "-m", "1g", "--webui-port", "0") for _ in range(2)]
        begin(submit, "--master", master, "--class", CONNECT, *stated, "spark-internal")
        until(lambda: accepts(connect), SECONDS, tell)
        until(lambda: len(find_executors(workers)) == 2, SECONDS, tell)
        yield f"sc://127.0.0.1:{connect}", workers
    finally:
        for process in reversed(begun):
            process.terminate()
        for process in begun:
            process.wait(timeout=30)


async def test_spark_gives_the_rows_of_the_store_also_where_an_executor_is_killed(
    fresh_sqlite: Database, clock: SetClock, tmp_path: Path, spark: tuple[str, list[int]]
) -> None:
    address, workers = spark
    copied = await copy(Services(fresh_sqlite, clock), fresh_sqlite, clock, tmp_path, 20_000)
    engine = SparkEngine(address, seconds=SECONDS)
    span = Span(LAST - 729, LAST)
    statements = [("cells", select_score_counts(copied.business.id, span))]

    await copied.compare([engine], statements)
    before = find_executors(workers)
    work = asyncio.create_task(copied.compare([engine], statements))
    await asyncio.sleep(0.2)
    os.kill(before[0], signal.SIGKILL)
    await asyncio.wait_for(work, SECONDS)

    assert before[0] not in find_executors(workers)
    await engine.close()
