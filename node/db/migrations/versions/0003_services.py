"""services: performed steps, announcements, storage commitment"""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SIGNALS = ("mpps", "ian", "commitment", "api", "quiet")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("commit_due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("delivery", sa.Column("commit_asks", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "commitment",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_commitment"),
        sa.UniqueConstraint("transaction_uid", name="uq_commitment_transaction_uid"),
    )
    op.create_table(
        "commitment_delivery",
        sa.Column("commitment_id", KEY, nullable=False),
        sa.Column("delivery_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["commitment_id"],
            ["commitment.id"],
            name="fk_commitment_delivery_commitment_id_commitment",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name="fk_commitment_delivery_delivery_id_delivery", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("commitment_id", "delivery_id", name="pk_commitment_delivery"),
    )
    op.create_index("ix_commitment_delivery_delivery_id", "commitment_delivery", ["delivery_id"], unique=False)
    op.create_table(
        "commitment_request",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("instances", sa.JSON(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.JSON(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "reported",
                "failed",
                name="reportstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_commitment_request"),
        sa.UniqueConstraint("transaction_uid", "calling_ae", name="uq_commitment_request_transaction_uid_calling_ae"),
    )
    op.create_index(
        "ix_commitment_request_state_not_before", "commitment_request", ["state", "not_before"], unique=False
    )
    op.create_table(
        "performed_step",
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "in progress",
                "completed",
                "discontinued",
                name="stepstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("instances", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_performed_step"),
    )
    op.create_index("ix_performed_step_study_uid_state", "performed_step", ["study_uid", "state"], unique=False)
    op.create_table(
        "announcement",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column(
            "signal",
            sa.Enum(*SIGNALS, name="signal", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("source_uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("instances", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_announcement"),
        sa.UniqueConstraint("signal", "source_uid", name="uq_announcement_signal_source_uid"),
    )
    op.create_index("ix_announcement_settled_at_study_uid", "announcement", ["settled_at", "study_uid"], unique=False)


def downgrade() -> None:
    for table in ("announcement", "performed_step", "commitment_request", "commitment_delivery", "commitment"):
        op.drop_table(table)
    op.drop_column("delivery", "commit_asks")
    op.drop_column("delivery", "commit_due_at")
