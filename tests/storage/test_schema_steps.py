"""The steps that change the tables: the files tell the program what the tool that applies them knows."""

from alembic.script import ScriptDirectory

from persistence.schema import head, steps
from persistence.schema_changes import configuration


def test_the_steps_are_those_of_the_migrations_one_after_the_other() -> None:
    found = ScriptDirectory.from_config(configuration())

    assert steps() == [script.revision for script in reversed(list(found.walk_revisions()))]
    assert [head()] == found.get_heads()
