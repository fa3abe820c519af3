"""looks: what was seen of an instance before routing"""

import sqlalchemy as sa
from alembic import op

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "look",
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("package_digest", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name="fk_look_instance_id_instance"),
        sa.PrimaryKeyConstraint("instance_id", "package_digest", name="pk_look"),
    )


def downgrade() -> None:
    op.drop_table("look")
