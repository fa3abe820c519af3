"""sent: what a destination really got, and what it remarked"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("delivery", sa.Column("sent_sop_class", sa.String(length=64), nullable=True))
    op.add_column("delivery", sa.Column("sent_sop_instance_uid", sa.String(length=64), nullable=True))
    op.add_column("delivery", sa.Column("sent_transfer_syntax", sa.String(length=64), nullable=True))


def downgrade() -> None:
    for column in ("sent_transfer_syntax", "sent_sop_instance_uid", "sent_sop_class", "note"):
        op.drop_column("delivery", column)
