"""The node's database: tables, migrations, connections.

SQLite by default, PostgreSQL by URL. What differs between them is in `node.db.dialect` and nowhere else.
"""

from node.db.engine import connect, read, write
from node.db.errors import DatabaseUnavailable, SchemaNewer
from node.db.migrate import migrate
from node.db.states import (
    DeliveryState,
    JobState,
    PriorState,
    ReportState,
    Signal,
    StepState,
    StudyState,
    WorkitemState,
)

__all__ = [
    "DatabaseUnavailable",
    "DeliveryState",
    "JobState",
    "PriorState",
    "ReportState",
    "SchemaNewer",
    "Signal",
    "StepState",
    "StudyState",
    "WorkitemState",
    "connect",
    "migrate",
    "read",
    "write",
]
