"""priors: older studies that routes ask for, and what is fetched for work items"""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STATES = ("fetching", "fetched", "here", "refused", "failed")
TIME = sa.DateTime(timezone=True)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("study", sa.Column("prior", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "prior_search",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("within_days", sa.Integer(), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("settled_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["study_uid"], ["study.uid"], name="fk_prior_search_study_uid_study"),
        sa.PrimaryKeyConstraint("id", name="pk_prior_search"),
        sa.UniqueConstraint("study_uid", "source", name="uq_prior_search_study_uid_source"),
    )
    op.create_index("ix_prior_search_settled_at", "prior_search", ["settled_at"], unique=False)
    op.create_table(
        "prior",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("search_id", KEY, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="priorstate", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.Column("sender", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["search_id"], ["prior_search.id"], name="fk_prior_search_id_prior_search", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_prior"),
        sa.UniqueConstraint("search_id", "study_uid", name="uq_prior_search_id_study_uid"),
    )
    op.create_index("ix_prior_study_uid", "prior", ["study_uid"], unique=False)
    op.add_column("workitem", sa.Column("fetch_from", sa.String(length=64), nullable=True))
    op.add_column("workitem", sa.Column("fetch_at", TIME, nullable=True))
    op.add_column("workitem", sa.Column("fetch_attempt", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("workitem", sa.Column("fetch_reason", sa.Text(), nullable=True))


def downgrade() -> None:
    for column in ("fetch_reason", "fetch_attempt", "fetch_at", "fetch_from"):
        op.drop_column("workitem", column)
    op.drop_table("prior")
    op.drop_table("prior_search")
    op.drop_column("study", "prior")
