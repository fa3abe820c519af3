"""Bringing a database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from node.db.dialect import lock_for_migration
from node.db.engine import write
from node.db.errors import SchemaNewer

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(engine: sa.Engine) -> None:
    """Run the migrations that are missing, in one transaction; others that start at the same time wait.

    Raises
    ------
    SchemaNewer
        The database knows a migration that this version does not.
    DatabaseUnavailable
        Locked, full or away.
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with write(engine) as connection:
        lock_for_migration(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise SchemaNewer(
                f"the database was written by a newer version (migration {current}); start that version again, "
                "or point 'database' at another file"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
