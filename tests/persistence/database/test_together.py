"""Statements that go to the database together: what is wrong with one of them is told like what is wrong with a
statement alone, and the transaction that they were part of can be taken back."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from persistence.database.dialects import create, sent_together
from persistence.database.engines import Database

pytestmark = pytest.mark.anyio
ADD = text("INSERT INTO numbered VALUES (:number)")


def add(connection: Connection, *numbers: int) -> None:
    with sent_together(connection):
        for number in numbers:
            connection.execute(ADD, {"number": number})


def read(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT number FROM numbered ORDER BY number")).scalars())


async def test_all_of_them_are_done_within_the_event_loop_and_beside_it(database: Database) -> None:
    async with database.writer.begin() as connection:
        await connection.run_sync(create, "numbered", "number BIGINT PRIMARY KEY")
        await connection.run_sync(add, 1, 2, 3)
        assert await connection.run_sync(read) == [1, 2, 3]

    with database.bulk.begin() as blocking:
        create(blocking, "numbered", "number BIGINT PRIMARY KEY")
        add(blocking, 4, 5)
        assert read(blocking) == [4, 5]


async def test_one_that_fails_is_told_and_the_connection_goes_on(database: Database) -> None:
    async with database.writer.connect() as connection:
        for _ in range(2):
            await connection.run_sync(create, "numbered", "number BIGINT PRIMARY KEY")
            with pytest.raises(IntegrityError):
                await connection.run_sync(add, 1, 1, 2)
            await connection.rollback()

    with database.bulk.connect() as blocking:
        create(blocking, "numbered", "number BIGINT PRIMARY KEY")
        with pytest.raises(IntegrityError):
            add(blocking, 1, 1, 2)
        blocking.rollback()
        create(blocking, "numbered", "number BIGINT PRIMARY KEY")
        add(blocking, 1)


async def test_what_fails_beside_them_is_not_hidden(database: Database) -> None:
    def fail(connection: Connection) -> None:
        with sent_together(connection):
            connection.execute(ADD, {"number": 1})
            raise TimeoutError

    async with database.writer.connect() as connection:
        await connection.run_sync(create, "numbered", "number BIGINT PRIMARY KEY")
        with pytest.raises(TimeoutError):
            await connection.run_sync(fail)
        await connection.rollback()
        assert await connection.scalar(text("SELECT 1")) == 1
