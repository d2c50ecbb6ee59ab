"""marks on the rest of a card: what is said of one thing on it stands before them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def current_vote(latest: str) -> str:
    """The view; of the marks of one person on one subject that stand, the first by `latest`."""
    return f"""
CREATE VIEW current_vote AS
WITH last_op AS (
  SELECT v.*, COALESCE(p.person_id, v.voter) AS person,
         ROW_NUMBER() OVER (
           PARTITION BY v.ballot_id, v.voter, v.subject, v.mark ORDER BY v.at DESC, v.id DESC
         ) AS newest
  FROM vote_event v LEFT JOIN member p ON p.member_id = v.voter
  WHERE NOT v.is_late
), standing AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY ballot_id, person, subject ORDER BY {latest}) AS latest
  FROM last_op WHERE newest = 1 AND op = 'cast'
)
SELECT ballot_id, person, voter, subject, value, answer, weight, via, mark, at
FROM standing WHERE latest = 1
"""


def upgrade() -> None:
    op.execute("DROP VIEW current_vote")  # SQLite rebuilds the table it reads
    with op.batch_alter_table("vote_event", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("is_rest", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.alter_column("is_rest", server_default=None)
    op.execute(current_vote("is_rest, at DESC, id DESC"))


def downgrade() -> None:
    op.execute("DROP VIEW current_vote")
    op.execute("DELETE FROM vote_event WHERE is_rest")  # without their order they would say more
    with op.batch_alter_table("vote_event", schema=None) as batch_op:
        batch_op.drop_column("is_rest")
    op.execute(current_vote("at DESC, id DESC"))
