"""Any order of requests about work items, with restarts in between, against the table of PS3.4 CC.1.1-2."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydicom import Dataset

from integration.dicomweb.workitems import CancelRequest, WorkitemChanges, read_new, read_state
from node.config import Workitems
from node.db import connect
from node.workitems import WorkitemRefused, WorkitemUnknown, change_state, create, request_cancel, retrieve, update
from tests.node.queued import NOON
from tests.node.studies.test_study_events import template
from tests.node.workitems.items import OTHER_TRANSACTION, TRANSACTION, encoded, item, performed, state, stopped

UIDS = st.sampled_from(["1.2.826.5.1", "1.2.826.5.1", "1.2.826.5.2"])
HOLDERS = st.sampled_from([None, TRANSACTION, TRANSACTION, OTHER_TRANSACTION])
STATES = st.sampled_from(["SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"])
DONE, UNKNOWN = 0x0000, 0xC307

# PS3.4 Table CC.1.1-2 word for word: by event, and there by state before: status, state after. In progress, with the
# correct Transaction UID, and lacking what the final state needs, it is C304.
STAYS = None
TABLE = {
    ("create", None): {
        None: (DONE, "SCHEDULED"),
        **dict.fromkeys(("SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"), (0x0111, STAYS)),
    },
    ("IN PROGRESS", True): {
        None: (UNKNOWN, STAYS),
        "SCHEDULED": (DONE, "IN PROGRESS"),
        "IN PROGRESS": (0xC302, STAYS),
        "COMPLETED": (0xC300, STAYS),
        "CANCELED": (0xC300, STAYS),
    },
    ("COMPLETED", True): {
        None: (UNKNOWN, STAYS),
        "SCHEDULED": (0xC310, STAYS),
        "IN PROGRESS": (DONE, "COMPLETED"),
        "COMPLETED": (0xB306, STAYS),
        "CANCELED": (0xC300, STAYS),
    },
    ("CANCELED", True): {
        None: (UNKNOWN, STAYS),
        "SCHEDULED": (0xC310, STAYS),
        "IN PROGRESS": (DONE, "CANCELED"),
        "COMPLETED": (0xC300, STAYS),
        "CANCELED": (0xB304, STAYS),
    },
    # A third party; who performs it is not this node, and has nobody that could tell it: C312 (CC.2.2.3).
    ("cancel", None): {
        None: (UNKNOWN, STAYS),
        "SCHEDULED": (DONE, "CANCELED"),
        "IN PROGRESS": (0xC312, STAYS),
        "COMPLETED": (0xC311, STAYS),
        "CANCELED": (0xB304, STAYS),
    },
}


@dataclass
class Model:
    """One work item."""

    state: str | None = None
    holder: str | None = None
    final: frozenset[str] = frozenset()  # the final states whose attributes it has

    def is_correct(self, transaction: str | None) -> bool:
        return transaction is not None and (self.state in (None, "SCHEDULED") or transaction == self.holder)

    def change(self, asked: str, transaction: str | None) -> int:
        if self.state is None:
            return UNKNOWN
        if asked == "SCHEDULED":
            return 0xC303
        if not self.is_correct(transaction):
            return 0xC301
        said, after = TABLE[asked, True][self.state]
        if said == DONE and asked != "IN PROGRESS" and asked not in self.final:
            return 0xC304
        if said == DONE and asked == "IN PROGRESS":
            self.holder = transaction
        self.state = after or self.state
        return said

    def event(self, what: str) -> int:
        said, after = TABLE[what, None][self.state]
        self.state = after or self.state
        return said

    def update(self, transaction: str | None, final: str) -> int:
        if self.state is None:
            return UNKNOWN
        if self.state in ("COMPLETED", "CANCELED"):
            return 0xC300
        if self.state == "SCHEDULED" and transaction is not None:
            return 0xC310
        if self.state == "IN PROGRESS" and transaction != self.holder:
            return 0xC301
        self.final |= {final}
        return DONE


class Requests(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="echocare-workitems-"))
        shutil.copy(template(), self.folder / "node.db")
        self.engine = connect(f"sqlite:///{self.folder}/node.db")
        self.now = NOON
        self.models: dict[str, Model] = {}

    def teardown(self) -> None:
        self.engine.dispose()
        shutil.rmtree(self.folder)

    def model(self, uid: str) -> Model:
        return self.models.setdefault(uid, Model())

    def said(self, request: object, *arguments: object) -> int:
        self.now += timedelta(seconds=1)
        try:
            return int(request(self.engine, *arguments, self.now) or DONE)  # type: ignore[operator]
        except WorkitemUnknown:
            return UNKNOWN
        except WorkitemRefused as refused:
            return refused.said

    @rule(uid=UIDS)
    def create(self, uid: str) -> None:
        def make(engine: object, *_: object) -> None:
            create(engine, read_new(encoded(item()), uid), self.now, policy=Workitems(), label="AI")  # type: ignore[arg-type]

        assert self.said(make) == self.model(uid).event("create")

    @rule(uid=UIDS, asked=STATES, transaction=HOLDERS)
    def change(self, uid: str, asked: str, transaction: str | None) -> None:
        request = read_state(encoded(state(asked, transaction)))
        assert self.said(change_state, uid, request) == self.model(uid).change(asked, transaction)

    @rule(uid=UIDS)
    def cancel(self, uid: str) -> None:
        assert self.said(request_cancel, uid, CancelRequest(reason="no longer")) == self.model(uid).event("cancel")

    @rule(uid=UIDS, transaction=HOLDERS, final=st.sampled_from(["COMPLETED", "CANCELED"]))
    def update(self, uid: str, transaction: str | None, final: str) -> None:
        content = performed() if final == "COMPLETED" else stopped()
        changes = WorkitemChanges(content=content, transaction_uid="")
        assert self.said(update, uid, changes, transaction or "") == self.model(uid).update(transaction, final)

    @rule()
    def restart(self) -> None:
        self.engine.dispose()
        self.engine = connect(f"sqlite:///{self.folder}/node.db")

    @invariant()
    def what_is_told_is_what_happened(self) -> None:
        for uid, model in self.models.items():
            if model.state is None:
                continue
            content = Dataset.from_json(retrieve(self.engine, uid))
            assert content.ProcedureStepState == model.state
            assert content.PatientName == "Müller^Änne"
            assert "TransactionUID" not in content
            if model.state == "CANCELED":
                (progress,) = content.ProcedureStepProgressInformationSequence
                assert progress.ProcedureStepDiscontinuationReasonCodeSequence
                assert progress.ProcedureStepCancellationDateTime


TestRequests = Requests.TestCase
TestRequests.settings = settings(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
