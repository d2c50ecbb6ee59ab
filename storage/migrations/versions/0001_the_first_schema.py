"""the first schema"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

CURRENT_VOTE = """
CREATE VIEW current_vote AS
WITH last_op AS (
  SELECT v.*, COALESCE(p.person_id, v.voter) AS person,
         ROW_NUMBER() OVER (
           PARTITION BY v.ballot_id, v.voter, v.subject, v.mark ORDER BY v.at DESC, v.id DESC
         ) AS newest
  FROM vote_event v LEFT JOIN member p ON p.member_id = v.voter
  WHERE NOT v.is_late
), standing AS (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY ballot_id, person, subject ORDER BY at DESC, id DESC
         ) AS latest
  FROM last_op WHERE newest = 1 AND op = 'cast'
)
SELECT ballot_id, person, voter, subject, value, answer, weight, via, mark, at
FROM standing WHERE latest = 1
"""


def upgrade() -> None:
    op.create_table(
        "command_audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("member_id", AutoString(), nullable=False),
        sa.Column("words", AutoString(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=True),
        sa.Column("is_allowed", sa.Boolean(), nullable=False),
        sa.Column("answer", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command_audit")),
    )
    op.create_table(
        "energy_reading",
        sa.Column("run_id", AutoString(), nullable=True),
        sa.Column("arm", AutoString(), nullable=True),
        sa.Column("segment_id", AutoString(), nullable=True),
        sa.Column("phase", AutoString(), nullable=False),
        sa.Column("device", AutoString(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("provenance", AutoString(), nullable=False),
        sa.Column("boot_id", AutoString(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("energy_j", sa.Float(), nullable=True),
        sa.Column("note", AutoString(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_energy_reading")),
        sa.UniqueConstraint(
            "boot_id", "source", "device", "seq", name=op.f("uq_energy_reading_boot_id")
        ),
    )
    with op.batch_alter_table("energy_reading", schema=None) as batch_op:
        batch_op.create_index("ix_energy_reading_run", ["run_id", "arm", "phase"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_energy_reading_started_at"), ["started_at"], unique=False
        )

    op.create_table(
        "inbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("platform", AutoString(), nullable=False),
        sa.Column("event_id", AutoString(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("handled_at", UTCDateTime(), nullable=True),
        sa.Column("error", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("platform", "event_id", name=op.f("uq_inbox_platform")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_inbox_handled_at"), ["handled_at"], unique=False)

    op.create_table(
        "lease",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("holder", AutoString(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "member",
        sa.Column("member_id", AutoString(), nullable=False),
        sa.Column("person_id", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member")),
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_member_person_id"), ["person_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("platform", AutoString(), nullable=False),
        sa.Column("channel", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("target", AutoString(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=True),
        sa.Column("ballot_id", AutoString(), nullable=True),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("error", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_outbox_state"), ["state"], unique=False)

    op.create_table(
        "period_done",
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("done_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_period_done")),
    )
    op.create_table(
        "posting",
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("platform", AutoString(), nullable=False),
        sa.Column("channel", AutoString(), nullable=False),
        sa.Column("ref", AutoString(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=True),
        sa.Column("ballot_id", AutoString(), nullable=True),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_posting")),
        sa.UniqueConstraint("platform", "key", name=op.f("uq_posting_platform")),
    )
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_posting_ballot_id"), ["ballot_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_posting_run_id"), ["run_id"], unique=False)

    op.create_table(
        "run",
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", AutoString(), nullable=False),
        sa.Column("folder", AutoString(), nullable=False),
        sa.Column("comparison_id", AutoString(), nullable=True),
        sa.Column("created_by", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_comparison_id"), ["comparison_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_run_state"), ["state"], unique=False)

    op.create_table(
        "arm",
        sa.Column("arm_id", AutoString(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", AutoString(), nullable=False),
        sa.Column("planned_samples", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_arm_run_id_run")),
        sa.PrimaryKeyConstraint("arm_id", name=op.f("pk_arm")),
    )
    with op.batch_alter_table("arm", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_arm_run_id"), ["run_id"], unique=False)

    op.create_table(
        "run_transition",
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("before", AutoString(), nullable=False),
        sa.Column("after", AutoString(), nullable=False),
        sa.Column("who", AutoString(), nullable=False),
        sa.Column("why", AutoString(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.run_id"], name=op.f("fk_run_transition_run_id_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_transition")),
    )
    with op.batch_alter_table("run_transition", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_transition_run_id"), ["run_id"], unique=False)

    op.create_table(
        "sample",
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("sample_id", AutoString(), nullable=False),
        sa.Column("view", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_sample_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", "sample_id", name=op.f("pk_sample")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("arm_id", AutoString(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("path", AutoString(), nullable=False),
        sa.Column("weights_sha256", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arm.arm_id"], name=op.f("fk_checkpoint_arm_id_arm")),
        sa.PrimaryKeyConstraint("arm_id", "samples", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "evaluation",
        sa.Column("arm_id", AutoString(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Float(), nullable=False),
        sa.Column("dev_metric", sa.Float(), nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arm.arm_id"], name=op.f("fk_evaluation_arm_id_arm")),
        sa.PrimaryKeyConstraint("arm_id", "samples", name=op.f("pk_evaluation")),
    )
    op.create_table(
        "round",
        sa.Column("round_id", AutoString(), nullable=False),
        sa.Column("arm_id", AutoString(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("closes_at", UTCDateTime(), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("closing_at", UTCDateTime(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closed_by", AutoString(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["arm_id"], ["arm.arm_id"], name=op.f("fk_round_arm_id_arm")),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_round_run_id_run")),
        sa.PrimaryKeyConstraint("round_id", name=op.f("pk_round")),
    )
    with op.batch_alter_table("round", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_round_arm_id"), ["arm_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_round_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_round_state"), ["state"], unique=False)

    op.create_table(
        "segment",
        sa.Column("segment_id", AutoString(), nullable=False),
        sa.Column("arm_id", AutoString(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("lease_token", AutoString(), nullable=False),
        sa.Column("handle", sa.JSON(), nullable=True),
        sa.Column("error", AutoString(), nullable=False),
        sa.Column("planned_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["arm_id"], ["arm.arm_id"], name=op.f("fk_segment_arm_id_arm")),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_segment")),
        sa.UniqueConstraint("arm_id", "n", "attempt", name=op.f("uq_segment_arm_id")),
    )
    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_segment_arm_id"), ["arm_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_segment_state"), ["state"], unique=False)

    op.create_table(
        "ballot",
        sa.Column("ballot_id", AutoString(), nullable=False),
        sa.Column("round_id", AutoString(), nullable=False),
        sa.Column("run_id", AutoString(), nullable=False),
        sa.Column("ask", sa.String(), nullable=False),
        sa.Column("subjects", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("is_blind", sa.Boolean(), nullable=False),
        sa.Column("view", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["round_id"], ["round.round_id"], name=op.f("fk_ballot_round_id_round")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_ballot_run_id_run")),
        sa.PrimaryKeyConstraint("ballot_id", name=op.f("pk_ballot")),
    )
    with op.batch_alter_table("ballot", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ballot_round_id"), ["round_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_ballot_run_id"), ["run_id"], unique=False)

    op.create_table(
        "vote_event",
        sa.Column("voter", AutoString(), nullable=False),
        sa.Column("subject", AutoString(), nullable=False),
        sa.Column("mark", AutoString(), nullable=False),
        sa.Column("ballot_id", AutoString(), nullable=False),
        sa.Column("op", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("answer", AutoString(), nullable=True),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.Column("via", AutoString(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("inbox_id", sa.Integer(), nullable=True),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ballot_id"], ["ballot.ballot_id"], name=op.f("fk_vote_event_ballot_id_ballot")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vote_event")),
    )
    with op.batch_alter_table("vote_event", schema=None) as batch_op:
        batch_op.create_index(
            "ix_vote_event_standing", ["ballot_id", "voter", "subject", "mark"], unique=False
        )

    op.execute(CURRENT_VOTE)


def downgrade() -> None:
    op.execute("DROP VIEW current_vote")
    with op.batch_alter_table("vote_event", schema=None) as batch_op:
        batch_op.drop_index("ix_vote_event_standing")

    op.drop_table("vote_event")
    with op.batch_alter_table("ballot", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ballot_run_id"))
        batch_op.drop_index(batch_op.f("ix_ballot_round_id"))

    op.drop_table("ballot")
    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_segment_state"))
        batch_op.drop_index(batch_op.f("ix_segment_arm_id"))

    op.drop_table("segment")
    with op.batch_alter_table("round", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_round_state"))
        batch_op.drop_index(batch_op.f("ix_round_run_id"))
        batch_op.drop_index(batch_op.f("ix_round_arm_id"))

    op.drop_table("round")
    op.drop_table("evaluation")
    op.drop_table("checkpoint")
    op.drop_table("sample")
    with op.batch_alter_table("run_transition", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_transition_run_id"))

    op.drop_table("run_transition")
    with op.batch_alter_table("arm", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_arm_run_id"))

    op.drop_table("arm")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_state"))
        batch_op.drop_index(batch_op.f("ix_run_comparison_id"))

    op.drop_table("run")
    with op.batch_alter_table("posting", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_posting_run_id"))
        batch_op.drop_index(batch_op.f("ix_posting_ballot_id"))

    op.drop_table("posting")
    op.drop_table("period_done")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_state"))

    op.drop_table("outbox")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_person_id"))

    op.drop_table("member")
    op.drop_table("lease")
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_inbox_handled_at"))

    op.drop_table("inbox")
    with op.batch_alter_table("energy_reading", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_energy_reading_started_at"))
        batch_op.drop_index("ix_energy_reading_run")

    op.drop_table("energy_reading")
    op.drop_table("command_audit")
