"""one round of each number in a run"""

from __future__ import annotations

from itertools import count

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    _number_anew()
    op.create_index("ix_round_number", "round", ["run_id", "n"], unique=True)


def _number_anew() -> None:
    """Of two rounds with one number the later gets the first that is free; nothing else changes."""
    connection = op.get_bind()
    table = sa.table(
        "round", *(sa.column(name) for name in ("round_id", "run_id", "n", "opened_at"))
    )
    in_order = sa.select(table).order_by("run_id", "n", "opened_at", "round_id")
    taken: dict[str, set[int]] = {}
    twice = []
    for found in connection.execute(in_order):
        mine = taken.setdefault(found.run_id, set())
        if found.n in mine:
            twice.append(found)
        mine.add(found.n)
    for found in twice:
        number = next(n for n in count() if n not in taken[found.run_id])
        taken[found.run_id].add(number)
        same = table.c.round_id == found.round_id
        connection.execute(sa.update(table).where(same).values(n=number))


def downgrade() -> None:
    op.drop_index("ix_round_number", table_name="round")
