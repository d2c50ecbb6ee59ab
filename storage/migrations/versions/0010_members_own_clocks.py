"""members' own clocks"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:  # column by column: a view reads the table, so it is not rebuilt
    op.add_column("member", sa.Column("timezone", AutoString(), nullable=True))
    op.add_column("member", sa.Column("locale", AutoString(), nullable=True))
    op.add_column("member", sa.Column("clock_set_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    for name in ("timezone", "locale", "clock_set_at"):
        op.drop_column("member", name)
