"""Alembic's entry: runs migrations on the connection that `node.db.migrate` or a test hands over."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from node.db.columns import Utc
from node.db.tables import metadata


def _render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    # A migration stands for ever; it must not change with the code of a column type.
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Utc) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=context.config.attributes.get("batch", True),
    render_item=_render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
