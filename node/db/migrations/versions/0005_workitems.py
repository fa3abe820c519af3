"""workitems: Unified Procedure Steps and the jobs that they asked for"""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = ("SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED")
TIME = sa.DateTime(timezone=True)

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workitem",
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="workitemstate", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("ours", sa.Boolean(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("study_uid", sa.String(length=64), nullable=True),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("judged_at", TIME, nullable=True),
        sa.Column("claimed_at", TIME, nullable=True),
        sa.Column("planned_at", TIME, nullable=True),
        sa.Column("computed_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("uid", name="pk_workitem"),
    )
    op.create_index("ix_workitem_state_ours", "workitem", ["state", "ours"], unique=False)
    op.create_index("ix_workitem_study_uid", "workitem", ["study_uid"], unique=False)
    op.create_index("ix_workitem_ended_at", "workitem", ["ended_at"], unique=False)
    op.create_table(
        "workitem_job",
        sa.Column("workitem_uid", sa.String(length=64), nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("made", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workitem_uid"], ["workitem.uid"], name="fk_workitem_job_workitem_uid_workitem", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_workitem_job_job_id_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("workitem_uid", "job_id", name="pk_workitem_job"),
    )
    op.create_index("ix_workitem_job_job_id", "workitem_job", ["job_id"], unique=False)


def downgrade() -> None:
    op.drop_table("workitem_job")
    op.drop_table("workitem")
