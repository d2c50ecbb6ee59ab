"""How Alembic reaches the database: through the connection `storage.database` hands it."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import storage.tables  # noqa: F401 -- fills the metadata


def run() -> None:
    """Apply the steps inside the caller's transaction."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,  # SQLite cannot alter columns in place
        compare_type=True,
        user_module_prefix="",  # the template imports SQLModel's types by name
    )
    context.run_migrations()


run()
