"""what somebody wants of a run at its next pause, or at its next step"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("run", sa.Column("wish", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("run", "wish")
