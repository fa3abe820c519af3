"""first tables"""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("object_kind", sa.String(length=16), nullable=False),
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_at", "event", ["at"], unique=False)
    op.create_index("ix_event_object_kind_object_key", "event", ["object_kind", "object_key"], unique=False)
    op.create_table(
        "study",
        sa.Column("uid", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "closed", name="studystate", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("first_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("quiet_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "signal",
            sa.Enum(
                "mpps",
                "ian",
                "commitment",
                "api",
                "quiet",
                name="signal",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=True,
        ),
        sa.Column("signal_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_study"),
    )
    op.create_index("ix_study_last_received_at", "study", ["last_received_at"], unique=False)
    op.create_index("ix_study_state_quiet_until", "study", ["state", "quiet_until"], unique=False)
    op.create_table(
        "instance",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("called_ae", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["study_uid"], ["study.uid"], name="fk_instance_study_uid_study"),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.UniqueConstraint("sop_instance_uid", "sha256", name="uq_instance_sop_instance_uid_sha256"),
    )
    op.create_index("ix_instance_study_uid", "instance", ["study_uid"], unique=False)
    op.create_table(
        "revision",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("inputs_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "closed_by",
            sa.Enum(
                "mpps",
                "ian",
                "commitment",
                "api",
                "quiet",
                name="signal",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("routed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["study_uid"], ["study.uid"], name="fk_revision_study_uid_study"),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.UniqueConstraint("study_uid", "number", name="uq_revision_study_uid_number"),
    )
    op.create_index("ix_revision_routed_at", "revision", ["routed_at"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("revision_id", KEY, nullable=False),
        sa.Column("route", sa.String(length=64), nullable=False),
        sa.Column("task", sa.String(length=64), nullable=False),
        sa.Column("package_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "mode",
            sa.Enum("active", "shadow", name="mode", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column(
            "priority",
            sa.Enum("stat", "routine", "shadow", name="priority", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("send_to", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "ready",
                "leased",
                "done",
                "failed",
                "cancelled",
                name="jobstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("turn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'leased') = (lease_owner IS NOT NULL)", name="ck_job_leased_has_owner"),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name="fk_job_revision_id_revision"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("identity", name="uq_job_identity"),
    )
    op.create_index("ix_job_revision_id", "job", ["revision_id"], unique=False)
    op.create_index("ix_job_state_lease_until", "job", ["state", "lease_until"], unique=False)
    op.create_index("ix_job_state_turn_at", "job", ["state", "turn_at"], unique=False)
    op.create_table(
        "revision_instance",
        sa.Column("revision_id", KEY, nullable=False),
        sa.Column("instance_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name="fk_revision_instance_instance_id_instance"),
        sa.ForeignKeyConstraint(
            ["revision_id"], ["revision.id"], name="fk_revision_instance_revision_id_revision", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("revision_id", "instance_id", name="pk_revision_instance"),
    )
    op.create_index("ix_revision_instance_instance_id", "revision_instance", ["instance_id"], unique=False)
    op.create_table(
        "job_instance",
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("instance_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name="fk_job_instance_instance_id_instance"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_instance_job_id_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "instance_id", name="pk_job_instance"),
    )
    op.create_index("ix_job_instance_instance_id", "job_instance", ["instance_id"], unique=False)
    op.create_table(
        "result",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("job_id", KEY, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("series_uid", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_result_job_id_job"),
        sa.PrimaryKeyConstraint("id", name="pk_result"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_result_sop_instance_uid"),
    )
    op.create_index("ix_result_job_id", "result", ["job_id"], unique=False)
    op.create_index("ix_result_study_uid", "result", ["study_uid"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("result_id", KEY, nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "ready",
                "leased",
                "accepted",
                "committed",
                "failed",
                name="deliverystate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'leased') = (lease_owner IS NOT NULL)", name="ck_delivery_leased_has_owner"),
        sa.ForeignKeyConstraint(["result_id"], ["result.id"], name="fk_delivery_result_id_result"),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.UniqueConstraint("result_id", "destination", name="uq_delivery_result_id_destination"),
    )
    op.create_index(
        "ix_delivery_destination_state_not_before", "delivery", ["destination", "state", "not_before"], unique=False
    )
    op.create_index("ix_delivery_state_lease_until", "delivery", ["state", "lease_until"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("result_id", KEY, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["result_id"], ["result.id"], name="fk_feedback_result_id_result"),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_result_id", "feedback", ["result_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_feedback_result_id", table_name="feedback")
    op.drop_table("feedback")
    op.drop_index("ix_delivery_state_lease_until", table_name="delivery")
    op.drop_index("ix_delivery_destination_state_not_before", table_name="delivery")
    op.drop_table("delivery")
    op.drop_index("ix_result_study_uid", table_name="result")
    op.drop_index("ix_result_job_id", table_name="result")
    op.drop_table("result")
    op.drop_index("ix_job_instance_instance_id", table_name="job_instance")
    op.drop_table("job_instance")
    op.drop_index("ix_revision_instance_instance_id", table_name="revision_instance")
    op.drop_table("revision_instance")
    op.drop_index("ix_job_state_turn_at", table_name="job")
    op.drop_index("ix_job_state_lease_until", table_name="job")
    op.drop_index("ix_job_revision_id", table_name="job")
    op.drop_table("job")
    op.drop_index("ix_revision_routed_at", table_name="revision")
    op.drop_table("revision")
    op.drop_index("ix_instance_study_uid", table_name="instance")
    op.drop_table("instance")
    op.drop_index("ix_study_state_quiet_until", table_name="study")
    op.drop_index("ix_study_last_received_at", table_name="study")
    op.drop_table("study")
    op.drop_index("ix_event_object_kind_object_key", table_name="event")
    op.drop_index("ix_event_at", table_name="event")
    op.drop_table("event")
