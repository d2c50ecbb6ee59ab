"""energy minutes, counters and baselines"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


MINUTES_SO_FAR = """
INSERT INTO energy_minute
SELECT {minute}, COALESCE(run_id, ''), COALESCE(arm, ''), phase, device, source, provenance,
       COALESCE(SUM(energy_j), 0), SUM(duration_s),
       SUM(CASE WHEN energy_j IS NULL THEN duration_s ELSE 0 END), MAX(note)
FROM energy_reading GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def upgrade() -> None:
    op.create_table(
        "energy_counter",
        sa.Column("boot_id", AutoString(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("device", AutoString(), nullable=False),
        sa.Column("value_j", sa.Float(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("clock_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("boot_id", "source", "device", name=op.f("pk_energy_counter")),
    )
    op.create_table(
        "energy_minute",
        sa.Column("minute", UTCDateTime(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("arm", AutoString(), nullable=False),
        sa.Column("phase", AutoString(), nullable=False),
        sa.Column("device", AutoString(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("provenance", AutoString(), nullable=False),
        sa.Column("energy_j", sa.Float(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("unknown_s", sa.Float(), nullable=False),
        sa.Column("note", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint(
            "minute",
            "run_id",
            "arm",
            "phase",
            "device",
            "source",
            "provenance",
            name=op.f("pk_energy_minute"),
        ),
    )
    op.create_table(
        "energy_baseline",
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("device", AutoString(), nullable=False),
        sa.Column("power_w", sa.Float(), nullable=False),
        sa.Column("sd_w", sa.Float(), nullable=False),
        sa.Column("window_s", sa.Float(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.run_id"], name=op.f("fk_energy_baseline_run_id_run")
        ),
        sa.PrimaryKeyConstraint("run_id", "source", "device", name=op.f("pk_energy_baseline")),
    )
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.add_column(sa.Column("posted_at", UTCDateTime(), nullable=True))

    is_sqlite = op.get_bind().dialect.name == "sqlite"
    minute = (
        "strftime('%Y-%m-%d %H:%M:00.000000', started_at)"
        if is_sqlite
        else "date_trunc('minute', started_at)"
    )
    op.execute(MINUTES_SO_FAR.format(minute=minute))


def downgrade() -> None:
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.drop_column("posted_at")

    op.drop_table("energy_baseline")
    op.drop_table("energy_minute")
    op.drop_table("energy_counter")
