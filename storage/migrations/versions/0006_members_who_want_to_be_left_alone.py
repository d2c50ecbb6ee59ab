"""members who want to be left alone, or forgotten"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import UTCDateTime

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:  # column by column: a view reads the table, so it is not rebuilt
    op.add_column("member", sa.Column("opted_out_at", UTCDateTime(), nullable=True))
    op.add_column("member", sa.Column("leaves_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("member", "leaves_at")
    op.drop_column("member", "opted_out_at")
