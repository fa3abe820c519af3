"""The node as performer: an item is assigned by HTTP, and what comes back says what was done, or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydicom import Dataset

from models.findings import TaskIdentity
from node.api import make_application
from node.db import read, write
from node.db.tables import delivery
from node.jobs import list_deliveries, list_events
from tests.node.worker.bench import PACKAGE, Bench, DiscEngine, still
from tests.node.workitems.items import TRANSACTION, code, inputs, item, parameter, state
from tests.node.workitems.test_http import UID, Client

STUDY = "1.2.3"


class Site:
    """A node driven by hand, and somebody who assigns work to it."""

    def __init__(self, bench: Bench, http: TestClient) -> None:
        self.bench = bench
        self.client = Client(http)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bench, name)

    def assign(self, uid: str = UID, **changes: Any) -> None:
        assert self.client.create(uid, item(**changes)).status_code == 201

    def state(self, uid: str = UID) -> str:
        return str(self.client.content(uid).ProcedureStepState)

    def progress(self, uid: str = UID) -> Dataset:
        found: Dataset = self.client.content(uid).ProcedureStepProgressInformationSequence[0]
        return found

    def outputs(self, uid: str = UID) -> set[str]:
        """The SOP Instance UIDs that a work item says it made."""
        done = self.client.content(uid).UnifiedProcedureStepPerformedProcedureSequence
        return {
            reference.ReferencedSOPInstanceUID
            for each in done[0].OutputInformationSequence
            for reference in each.ReferencedSOPSequence
        }

    def results(self) -> set[str]:
        """The SOP Instance UIDs in the folder that results are delivered to."""
        return {path.stem for path in self.bench.out.rglob("*.dcm")}

    def happened(self, uid: str = UID) -> list[str]:
        with read(self.bench.database) as connection:
            return [each.what for each in list_events(connection, kind="workitem", key=uid)]


@pytest.fixture
def make(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def site(engine: DiscEngine | None = None, **sections: Any) -> Site:
            bench = Bench(tmp_path, database_url, engine, **sections)
            stack.callback(bench.close)
            application = make_application(bench.settings, bench.database)
            http = TestClient(application, base_url="http://127.0.0.1", client=("127.0.0.1", 50000))
            return Site(bench, stack.enter_context(http))

        yield site


NO_ROUTES: dict[str, Any] = {"routes": []}


def test_item__on_a_study_that_is_here__is_done_and_names_its_results(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.receive_ds(still(STUDY, 2))
    site.settle()
    assert site.jobs() == ()
    site.assign()
    site.settle()
    content = site.client.content()
    assert content.ProcedureStepState == "COMPLETED"
    assert content.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 100
    (done,) = content.UnifiedProcedureStepPerformedProcedureSequence
    assert done.PerformedStationNameCodeSequence[0].CodeValue == "ECHOCARE"
    assert done.PerformedWorkitemCodeSequence[0].CodeValue == "fetal-head"
    assert done.PerformedProcedureStepStartDateTime < done.PerformedProcedureStepEndDateTime
    assert site.outputs() == site.results() != set()
    assert {job.route for job in site.jobs()} == {"(work item)"}
    assert site.happened() == [f"workitem.{what}" for what in ("created", "in_progress", "planned", "completed")]


def test_item__before_its_images__is_claimed_and_waits_for_them(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.assign(InputInformationSequence=[inputs(STUDY, f"{STUDY}.1", f"{STUDY}.1.2")])
    site.settle()
    assert (site.state(), site.progress().ProcedureStepProgress) == ("IN PROGRESS", 0)
    assert "images" in site.progress().ProcedureStepProgressDescription
    site.receive_ds(still(STUDY, 1))
    site.settle()
    assert site.state() == "IN PROGRESS"
    site.receive_ds(still(STUDY, 2))
    site.settle()
    assert site.state() == "COMPLETED"
    assert len(site.jobs()) == 1  # on the image that is named, and no other


def test_item__images_never_come__is_cancelled_after_the_limit(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES, workitems={"wait_s": 60})
    site.assign()
    site.settle()
    site.later(61)
    site.scheduler.step()
    assert site.state() == "CANCELED"
    assert "did not come within 60 s" in site.progress().ReasonForCancellation
    assert site.progress().ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110523"


def test_item__series_named__only_its_images_are_looked_at(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.receive_ds(still(STUDY, 2, SeriesInstanceUID=f"{STUDY}.7"))
    site.assign(InputInformationSequence=[inputs(STUDY, f"{STUDY}.7")])
    site.settle()
    assert site.state() == "COMPLETED"
    assert len(site.jobs()) == 1


def test_item__and_a_route_for_the_same_task__give_one_set_of_results(make: Callable[..., Site]) -> None:
    site = make()
    site.receive_ds(still(STUDY, 1))
    site.settle()
    (routed,) = site.jobs()
    before = site.results()
    site.assign()
    site.assign("1.2.826.9.2")
    site.settle()
    assert [job.id for job in site.jobs()] == [routed.id]
    assert site.results() == before
    assert (site.state(), site.state("1.2.826.9.2")) == ("COMPLETED", "COMPLETED")
    assert site.outputs() == site.outputs("1.2.826.9.2") == before


def test_item__before_the_route_has_run__takes_the_routes_jobs(make: Callable[..., Site]) -> None:
    site = make()
    site.assign()
    site.receive_ds(still(STUDY, 1))
    site.settle()
    assert [job.route for job in site.jobs()] == ["fetal"]
    assert site.state() == "COMPLETED"
    assert site.outputs() == site.results() != set()


def test_item__on_a_study_of_which_a_route_chose_images__means_these(make: Callable[..., Site]) -> None:
    route = {"name": "first", "when": "instance.InstanceNumber == 1", "task": "fetal-head", "send_to": ["out"]}
    site = make(routes=[route])
    site.receive_ds(still(STUDY, 1))
    site.receive_ds(still(STUDY, 2))
    site.assign()
    site.assign("1.2.826.9.2", InputInformationSequence=[inputs(STUDY, f"{STUDY}.1", f"{STUDY}.1.2")])
    site.settle()
    assert (site.state(), site.state("1.2.826.9.2")) == ("COMPLETED", "COMPLETED")
    assert len(site.jobs()) == 2
    assert site.outputs() | site.outputs("1.2.826.9.2") == site.results()
    assert not site.outputs() & site.outputs("1.2.826.9.2")


def test_item__that_another_has_claimed__is_left_alone(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.settle()
    site.assign()
    assert site.client.put("IN PROGRESS").status_code == 200
    site.settle()
    assert site.state() == "IN PROGRESS"
    assert site.jobs() == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"task": None},
        {"task": "hip-angle"},
        {"InputReadinessState": "INCOMPLETE"},
        {"ScheduledProcedureStepStartDateTime": "29990101000000+0000"},
        {"ScheduledStationNameCodeSequence": [code("OTHER", "99SITE")]},
        {"InputInformationSequence": [inputs("1.2.3"), inputs("1.2.4")]},
    ],
    ids=["no task", "unknown task", "not ready", "not yet", "for another station", "two studies"],
)
def test_item__that_is_not_for_this_node__stays_scheduled(make: Callable[..., Site], changes: dict[str, Any]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.assign(**changes)
    site.settle()
    assert site.state() == "SCHEDULED"
    assert site.jobs() == ()


def test_item__made_ready_later__is_done_then(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.assign(InputReadinessState="INCOMPLETE")
    site.settle()
    ready = Dataset()
    ready.InputReadinessState = "READY"
    assert site.client.post(f"/{UID}", ready).status_code == 200
    site.later(5)
    site.settle()
    assert site.state() == "COMPLETED"


def test_item__scheduled_for_this_station_for_what_it_cannot__is_rejected(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.assign(task="hip-angle", ScheduledStationNameCodeSequence=[code("ECHOCARE", "99SITE")])
    site.settle()
    assert site.state() == "CANCELED"
    assert "installed" in site.progress().ReasonForCancellation
    assert site.progress().ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110530"


def test_item__that_names_its_task_by_a_parameter__is_done(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    detection = code("110004", "DCM", "Computer Aided Detection")
    site.assign(
        ScheduledWorkitemCodeSequence=[detection], ScheduledProcessingParametersSequence=[parameter("fetal-head")]
    )
    site.settle()
    assert site.state() == "COMPLETED"


def test_item__for_a_trial__is_not_done_unless_the_site_wants_trials(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.install(
        TaskIdentity(task="fetal-head", version="1", digest=PACKAGE.digest, encoder_digest="", trial="too few data")
    )
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.settle()
    assert site.state() == "SCHEDULED"
    assert site.jobs() == ()


def test_item__inputs_that_no_task_can_read__is_cancelled_and_says_so(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.34"))
    site.assign()
    site.settle()
    assert site.state() == "CANCELED"
    assert site.progress().ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110522"


def test_item__of_which_an_image_fails__is_cancelled_with_the_reason_and_names_what_was_made(
    make: Callable[..., Site],
) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.receive_ds(still(STUDY, 2, PixelData=b"\0" * 10))
    site.assign()
    site.settle()
    assert site.state() == "CANCELED"
    assert "1 of 2 images failed" in site.progress().ReasonForCancellation
    assert site.progress().ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110521"
    assert site.outputs() == site.results() != set()


def test_cancel_request__while_jobs_wait__cancels_them_and_says_so(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    for number in (1, 2, 3):
        site.receive_ds(still(STUDY, number))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    assert site.worker.step(site.wake)
    site.scheduler.step()
    assert site.progress().ProcedureStepProgressDescription == "1 of 3 images done"
    assert site.client.post(f"/{UID}/cancelrequest", b"").status_code == 202
    assert site.state() == "CANCELED"
    assert "2 waiting jobs cancelled, 1 were done" in site.progress().ReasonForCancellation
    site.settle()
    assert sorted(job.state.value for job in site.jobs()) == ["cancelled", "cancelled", "done"]


def test_cancel_request__while_a_route_wants_the_job_too__lets_it_run(make: Callable[..., Site]) -> None:
    site = make()
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    assert site.client.post(f"/{UID}/cancelrequest", b"").status_code == 202
    assert "1 go on for a route or another work item" in site.progress().ReasonForCancellation
    site.settle()
    assert [job.state.value for job in site.jobs()] == ["done"]
    assert site.results()


def test_cancel_request__once_the_results_are_made__is_declined(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    assert site.worker.step(site.wake)
    site.scheduler.step()
    assert "deliveries wait" in site.progress().ProcedureStepProgressDescription
    refused = site.client.post(f"/{UID}/cancelrequest", b"")
    assert (refused.status_code, refused.headers["warning"]) == (
        409,
        "299 echocare-node: Performer chooses not to cancel.",
    )
    site.settle()
    assert site.state() == "COMPLETED"


def test_item__cancelled_and_assigned_anew__runs(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    site.client.post(f"/{UID}/cancelrequest", b"")
    site.assign("1.2.826.9.2")
    site.settle()
    assert site.state("1.2.826.9.2") == "COMPLETED"
    assert [job.state.value for job in site.jobs()] == ["done"]


def computed(site: Site) -> None:
    """An item whose results are made and not delivered yet."""
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    assert site.worker.step(site.wake)
    site.scheduler.step()


def test_item__whose_results_wait_for_a_peer__is_completed_after_the_limit_and_says_so(
    make: Callable[..., Site],
) -> None:
    site = make(**NO_ROUTES, workitems={"deliver_wait_s": 60})
    computed(site)
    assert site.state() == "IN PROGRESS"
    site.later(61)
    site.scheduler.step()
    assert site.state() == "COMPLETED"
    assert "deliveries still wait" in site.progress().ProcedureStepProgressDescription
    with read(site.database) as connection:
        assert {each.state.value for each in list_deliveries(connection)} == {"ready"}


def test_item__whose_results_are_given_up_by_all_peers__is_cancelled(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    computed(site)
    with write(site.database) as connection:
        connection.execute(delivery.update().values(state="failed"))
    site.scheduler.step()
    assert site.state() == "CANCELED"
    assert "no peer accepted" in site.progress().ReasonForCancellation


def test_item__under_way_when_the_node_restarts__is_completed_once(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    site.install(PACKAGE)
    site.scheduler.start()
    site.settle()
    assert site.state() == "COMPLETED"
    assert len(site.jobs()) == 1


def test_item__whose_task_package_is_replaced_meanwhile__is_done_by_the_new_one(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.scheduler.step()
    site.later(1.1)
    site.scheduler.step()
    site.install(TaskIdentity(task="fetal-head", version="2", digest="sha256:" + "c" * 64, encoder_digest=""))
    site.scheduler.start()
    site.settle()
    assert site.state() == "COMPLETED"
    assert sorted((job.package_digest[0], job.state.value) for job in site.jobs()) == [
        ("a", "cancelled"),
        ("c", "done"),
    ]


def test_performing__switched_off__leaves_items_to_others(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES, workitems={"perform": False})
    site.receive_ds(still(STUDY, 1))
    site.assign()
    site.settle()
    assert site.state() == "SCHEDULED"


def test_transaction_uid__of_the_node__is_nobody_elses(make: Callable[..., Site]) -> None:
    site = make(**NO_ROUTES)
    site.assign()
    site.settle()
    assert site.state() == "IN PROGRESS"
    assert (
        site.client.http.put(
            f"/dicom-web/workitems/{UID}/state",
            content=b'{"00741000": {"vr": "CS", "Value": ["COMPLETED"]}, "00081195": {"vr": "UI", "Value": ["1.2.3"]}}',
            headers={"Content-Type": "application/dicom+json"},
        ).status_code
        == 400
    )
    assert TRANSACTION not in str(site.client.get().json())
    assert state("COMPLETED").TransactionUID == TRANSACTION
