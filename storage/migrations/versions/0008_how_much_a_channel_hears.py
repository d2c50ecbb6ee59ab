"""how much a channel hears"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "channel",
        sa.Column("platform", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("verbosity", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "name", name=op.f("pk_channel")),
    )


def downgrade() -> None:
    op.drop_table("channel")
