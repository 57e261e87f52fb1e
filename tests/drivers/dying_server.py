"""A server that kills itself the hard way: `python -m tests.drivers.dying_server URL DESCRIPTOR STATEMENT` answers at
the socket of that number until it is about to execute a statement that begins so. It works on nothing beside the
requests."""

import socket
import sys

import uvicorn

from gql.app import create_app
from gql.settings import Settings
from persistence.database.engines import open_database
from tests.drivers.dying import die_before, now
from tests.drivers.face import SECRET


def main(url: str, descriptor: int, last: str) -> None:
    """Serve until the statement comes."""
    database = open_database(url)
    die_before(last, 1, database.reader.sync_engine, database.writer.sync_engine)
    app = create_app(Settings(jwt_secret=SECRET), now, database=database)
    config = uvicorn.Config(app, lifespan="off", log_level="warning")
    uvicorn.Server(config).run([socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
