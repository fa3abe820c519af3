"""UPS-RS by HTTP: statuses, warnings and payloads of PS3.18 11."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydicom import Dataset

from node.api import make_application
from node.config import Settings, load_settings
from node.db import connect
from node.roles import SCHEDULER
from node.wake import Wake
from node.workitems.store import drop_old
from tests.node.workitems.items import (
    OTHER_TRANSACTION,
    TRANSACTION,
    code,
    encoded,
    inputs,
    item,
    performed,
    state,
    stopped,
)

MEDIA = "application/dicom+json"
UID = "1.2.826.9.1"
INCONSISTENT = "299 echocare-node: The submitted request is inconsistent with the current state of the Workitem."
STATE_INCONSISTENT = "299 echocare-node: The submitted request is inconsistent with the state of the UPS Instance."
MISSING = "299 echocare-node: The Transaction UID is missing."
INCORRECT = "299 echocare-node: The Transaction UID is incorrect."


class Client:
    """A user agent."""

    def __init__(self, http: TestClient) -> None:
        self.http = http

    def post(self, path: str, ds: Dataset | bytes, **headers: str) -> httpx.Response:
        body = ds if isinstance(ds, bytes) else encoded(ds)
        return self.http.post(f"/dicom-web/workitems{path}", content=body, headers={"Content-Type": MEDIA, **headers})

    def create(self, uid: str = UID, ds: Dataset | None = None) -> httpx.Response:
        return self.post(f"?workitem={uid}", ds or item())

    def get(self, path: str = f"/{UID}", **headers: str) -> httpx.Response:
        return self.http.get(f"/dicom-web/workitems{path}", headers={"Accept": MEDIA, **headers})

    def content(self, uid: str = UID) -> Dataset:
        answer = self.get(f"/{uid}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, MEDIA)
        (found,) = answer.json()
        return Dataset.from_json(found)

    def put(self, wanted: str, transaction: str | None = TRANSACTION, uid: str = UID) -> httpx.Response:
        path, body = f"/dicom-web/workitems/{uid}/state", encoded(state(wanted, transaction))
        return self.http.put(path, content=body, headers={"Content-Type": MEDIA})

    def found(self, query: str) -> list[str]:
        answer = self.get(f"?{query}")
        return [] if answer.status_code == 204 else [each["00080018"]["Value"][0] for each in answer.json()]


@pytest.fixture
def node_settings(tmp_path: Path, database_url: str) -> Settings:
    path = tmp_path / "echocare-node.yaml"
    path.write_text("node: {data_dir: var, min_free_bytes: 0}\nworkitems: {most_open: 3}\n")
    (tmp_path / "var").mkdir()
    return load_settings(path, {"ECHOCARE_NODE__DATABASE": database_url})


@pytest.fixture
def engine(node_settings: Settings) -> Iterator[sa.Engine]:
    engine = connect(node_settings.database)
    yield engine
    engine.dispose()


@pytest.fixture
def client(node_settings: Settings, engine: sa.Engine) -> Iterator[Client]:
    application = make_application(node_settings, engine)
    with TestClient(application, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as http:
        yield Client(http)


def said(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.headers.get("warning")


def test_create__complete_item__is_there_with_its_address_and_the_scheduler_wakes(
    client: Client, node_settings: Settings
) -> None:
    with Wake(node_settings.data_dir, SCHEDULER) as wake:
        made = client.create()
        assert wake.wait(5)
    assert said(made) == (201, None)
    assert made.headers["location"] == f"/dicom-web/workitems/{UID}"
    content = client.content()
    assert (content.SOPInstanceUID, content.SOPClassUID) == (UID, "1.2.840.10008.5.1.4.34.6.1")
    assert (content.ProcedureStepState, content.PatientName) == ("SCHEDULED", "Müller^Änne")
    assert "TransactionUID" not in content


@pytest.mark.parametrize("path", [f"?{UID}", f"?workitem={UID}", ""])
def test_create__uid_in_the_query_or_the_payload__is_taken(client: Client, path: str) -> None:
    ds = item() if path else item(SOPInstanceUID=UID)
    assert client.post(path, ds).headers["location"].endswith(f"/{UID}")


def test_create__without_uid__gets_one(client: Client) -> None:
    where = client.post("", item()).headers["location"]
    assert client.content(where.rpartition("/")[2]).ProcedureStepState == "SCHEDULED"


def test_create__same_uid_again__conflicts_and_changes_nothing(client: Client) -> None:
    client.create()
    assert client.create(ds=item(ProcedureStepLabel="other")).status_code == 409
    assert client.content().ProcedureStepLabel == "Measure the fetal head"


def test_create__attributes_of_type_2_left_out__are_filled_in_and_it_says_so(client: Client) -> None:
    made = client.create(ds=item(AdmissionID=None, WorklistLabel=""))
    assert said(made) == (201, "299 echocare-node: The Workitem was created with modifications.")
    assert client.content().AdmissionID == ""
    assert client.content().WorklistLabel == "ECHOCARE"


@pytest.mark.parametrize(
    ("ds", "words"),
    [
        (item(ProcedureStepLabel=None), "ProcedureStepLabel"),
        (item(InputReadinessState="SOON"), "InputReadinessState"),
        (item(ProcedureStepState="IN PROGRESS"), "SCHEDULED"),
        (item(ScheduledProcedureStepStartDateTime="soon"), "StartDateTime"),
        (item(TransactionUID=TRANSACTION), "TransactionUID"),
        (item(SOPInstanceUID="1.2.3"), "once"),
        (item(study="1." + "2" * 79), "no UID"),
        (item(InputInformationSequence=[inputs("1.2.3", "1.2.*")]), "no UID"),
        (item(InputInformationSequence=[inputs("1.2.3", "1.2.4", "../5")]), "no UID"),
        (b"{", "JSON"),
        (b"[1]", "JSON"),
        (b'{"00100010": {"vr": "PN", "Value": 7}}', "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"", "JSON"),
    ],
)
def test_create__payload_that_does_not_comply__is_a_bad_request_that_says_why(
    client: Client, ds: Dataset | bytes, words: str
) -> None:
    answer = client.post(f"?workitem={UID}", ds)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert client.get().status_code == 404


def test_create__uid_that_is_none__is_a_bad_request(client: Client) -> None:
    assert client.create("patient-7").status_code == 400


def test_create__too_many_open__come_again(client: Client) -> None:
    assert [client.create(f"1.2.826.9.{number}").status_code for number in range(4)] == [201, 201, 201, 503]


def test_payload__too_large_or_of_another_kind__is_refused(client: Client) -> None:
    large = item(CommentsOnTheScheduledProcedureStep="x" * 2**20)
    assert client.create(ds=large).status_code == 413
    assert client.post(f"?workitem={UID}", item(), **{"Content-Type": "application/dicom+xml"}).status_code == 415
    client.create()
    assert client.get(Accept="application/dicom+xml").status_code == 406


def test_caller__from_elsewhere__sees_and_changes_nothing(node_settings: Settings, engine: sa.Engine) -> None:
    application = make_application(node_settings, engine)
    with TestClient(application, base_url="http://127.0.0.1", client=("10.0.0.9", 50000)) as http:
        other = Client(http)
        answers = [
            other.create(),
            other.get(),
            other.get(""),
            other.post(f"/{UID}", Dataset()),
            other.put("IN PROGRESS"),
            other.post(f"/{UID}/cancelrequest", b""),
        ]
    assert [answer.status_code for answer in answers] == [403] * 6


def test_unknown__everything_about_it__is_404(client: Client) -> None:
    answers = [
        client.get(),
        client.post(f"/{UID}", performed()),
        client.put("IN PROGRESS"),
        client.post(f"/{UID}/cancelrequest", b""),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4


def test_gone__after_the_time_that_ended_ones_are_kept__is_410_and_its_uid_stays_taken(
    client: Client, engine: sa.Engine
) -> None:
    client.create()
    client.post(f"/{UID}/cancelrequest", b"")
    assert drop_old(engine, datetime.now(UTC) + timedelta(seconds=99), keep_s=100) == 0
    assert drop_old(engine, datetime.now(UTC) + timedelta(seconds=101), keep_s=100) == 1
    answers = [client.get(), client.put("IN PROGRESS"), client.post(f"/{UID}", performed())]
    assert [answer.status_code for answer in answers] == [410] * 3
    assert client.create().status_code == 409
    assert client.found("") == []


def test_claim__second_performer__is_refused_and_the_first_keeps_it(client: Client) -> None:
    client.create()
    assert said(client.put("IN PROGRESS", None)) == (400, MISSING)
    assert said(client.put("IN PROGRESS")) == (200, None)
    assert said(client.put("IN PROGRESS")) == (409, STATE_INCONSISTENT)
    assert said(client.put("IN PROGRESS", OTHER_TRANSACTION)) == (400, INCORRECT)
    assert client.post(f"/{UID}?transaction-uid={TRANSACTION}", performed()).status_code == 200
    assert said(client.put("COMPLETED", OTHER_TRANSACTION)) == (400, INCORRECT)
    assert said(client.put("COMPLETED")) == (200, None)


def test_state__each_request_against_each_state__is_answered_as_the_tables_say(client: Client) -> None:
    client.create()
    assert said(client.put("COMPLETED")) == (409, STATE_INCONSISTENT)
    assert said(client.put("SCHEDULED")) == (400, STATE_INCONSISTENT)
    assert said(client.put("PAUSED")) == (400, STATE_INCONSISTENT)
    client.put("IN PROGRESS")
    refused = client.put("COMPLETED")
    assert said(refused) == (409, STATE_INCONSISTENT)
    assert "PerformedProcedureStepEndDateTime" in refused.json()["error"]["message"]
    assert said(client.put("CANCELED")) == (409, STATE_INCONSISTENT)
    client.post(f"/{UID}?transaction-uid={TRANSACTION}", performed())
    client.put("COMPLETED")
    already = "299 echocare-node: The UPS is already in the requested state of COMPLETED."
    assert said(client.put("COMPLETED")) == (200, already)
    assert said(client.put("CANCELED")) == (409, STATE_INCONSISTENT)
    assert said(client.put("IN PROGRESS")) == (409, STATE_INCONSISTENT)
    assert said(client.post(f"/{UID}?transaction-uid={TRANSACTION}", performed())) == (400, INCONSISTENT)


def test_cancel_by_its_performer__needs_a_reason_and_ends_it(client: Client) -> None:
    client.create()
    client.put("IN PROGRESS")
    client.post(f"/{UID}?transaction-uid={TRANSACTION}", stopped())
    assert said(client.put("CANCELED")) == (200, None)
    assert said(client.put("CANCELED")) == (
        200,
        "299 echocare-node: The UPS is already in the requested state of CANCELED.",
    )
    assert client.content().ProcedureStepState == "CANCELED"


def test_cancel_request__of_one_that_waits__cancels_it_with_the_reason_given(client: Client) -> None:
    client.create()
    asked = Dataset()
    asked.ReasonForCancellation = "ordered twice"
    asked.ProcedureStepDiscontinuationReasonCodeSequence = [code("110510", "DCM", "Duplicate order")]
    assert said(client.post(f"/{UID}/cancelrequest", asked)) == (202, None)
    (progress,) = client.content().ProcedureStepProgressInformationSequence
    assert progress.ReasonForCancellation == "ordered twice"
    assert progress.ProcedureStepDiscontinuationReasonCodeSequence[0].CodeValue == "110510"
    again = client.post(f"/{UID}/cancelrequest", b"")
    assert said(again) == (202, "299 echocare-node: The UPS is already in the requested state of CANCELED.")


def test_cancel_request__of_one_that_another_performs__is_refused_and_it_goes_on(client: Client) -> None:
    client.create()
    client.put("IN PROGRESS")
    refused = client.post(f"/{UID}/cancelrequest", b"")
    assert said(refused) == (409, "299 echocare-node: The performer cannot be contacted.")
    assert client.content().ProcedureStepState == "IN PROGRESS"
    client.post(f"/{UID}?transaction-uid={TRANSACTION}", performed())
    client.put("COMPLETED")
    refused = client.post(f"/{UID}/cancelrequest", b"")
    assert said(refused) == (409, "299 echocare-node: The UPS is already COMPLETED.")


def test_update__before_and_after_the_claim__is_for_whom_it_should_be(client: Client) -> None:
    client.create()
    label = Dataset()
    label.ProcedureStepLabel = "Measure it twice"
    assert said(client.post(f"/{UID}?transaction-uid={TRANSACTION}", label)) == (
        409,
        "299 echocare-node: The target URI did not reference a claimed Workitem.",
    )
    assert said(client.post(f"/{UID}", label)) == (200, None)
    assert client.content().ProcedureStepLabel == "Measure it twice"
    client.put("IN PROGRESS")
    assert said(client.post(f"/{UID}", label)) == (400, MISSING)
    assert said(client.post(f"/{UID}?transaction-uid={OTHER_TRANSACTION}", label)) == (400, INCORRECT)
    assert said(client.post(f"/{UID}?{TRANSACTION}", label)) == (200, None)


@pytest.mark.parametrize("keyword", ["ProcedureStepState", "PatientName", "StudyInstanceUID"])
def test_update__of_what_may_not_be_set__is_a_bad_request(client: Client, keyword: str) -> None:
    client.create()
    before = client.content()
    change = Dataset()
    setattr(change, keyword, "1.2.3" if keyword == "StudyInstanceUID" else "COMPLETED")
    answer = client.post(f"/{UID}", change)
    assert answer.status_code == 400
    assert keyword in answer.json()["error"]["message"]
    assert client.content() == before


def test_search__by_attributes__finds_what_matches(client: Client) -> None:
    client.create("1.2.826.9.1")
    client.create("1.2.826.9.2", item(PatientName="Schmidt^Eva", ScheduledProcedureStepStartDateTime="20260301090000"))
    client.create("1.2.826.9.3", item(task="muscle-architecture"))
    client.put("IN PROGRESS", uid="1.2.826.9.3")
    assert len(client.found("")) == 3
    assert client.found("ProcedureStepState=SCHEDULED") == ["1.2.826.9.1", "1.2.826.9.2"]
    assert client.found("00741000=IN%20PROGRESS") == ["1.2.826.9.3"]
    assert client.found("PatientName=schmidt*") == ["1.2.826.9.2"]
    assert client.found("ScheduledProcedureStepStartDateTime=20260201-20260401") == ["1.2.826.9.2"]
    assert client.found("ScheduledProcedureStepStartDateTime=-20260101") == ["1.2.826.9.1", "1.2.826.9.3"]
    assert client.found("ScheduledWorkitemCodeSequence.LongCodeValue=muscle-architecture") == ["1.2.826.9.3"]
    assert client.found("SOPInstanceUID=1.2.826.9.1,1.2.826.9.3") == ["1.2.826.9.1", "1.2.826.9.3"]
    assert client.found("StudyInstanceUID=9.9.9") == []
    assert client.found("offset=1&limit=1") == ["1.2.826.9.2"]
    assert client.found("includefield=all&PatientID=PHANTOM-????&limit=9") == [f"1.2.826.9.{n}" for n in (1, 2, 3)]


def test_search__nothing_or_less_than_all__says_so(client: Client) -> None:
    assert client.get("?ProcedureStepState=CANCELED").status_code == 204
    client.create("1.2.826.9.1")
    client.create("1.2.826.9.2")
    assert said(client.get("?limit=1")) == (
        206,
        "299 echocare-node: There are additional results that can be requested.",
    )
    fuzzy = client.get("?fuzzymatching=true&PatientName=M*")
    assert fuzzy.status_code == 200
    assert "fuzzymatching parameter is not supported" in fuzzy.headers["warning"]


@pytest.mark.parametrize("query", ["limit=-1", "offset=x", "Colour=red", "TransactionUID=1.2.3", "0008119=1"])
def test_search__parameter_that_cannot_be_used__is_a_bad_request(client: Client, query: str) -> None:
    assert client.get(f"?{query}").status_code == 400


def test_search__hostile_wildcards__answer_at_once(client: Client) -> None:
    client.create(ds=item(CommentsOnTheScheduledProcedureStep="a" * 10_000))
    pattern = "*a" * 400 + "b"
    assert client.found(f"CommentsOnTheScheduledProcedureStep={pattern}") == []


def test_payload__as_an_array_of_one__is_taken(client: Client) -> None:
    body = json.dumps([item().to_json_dict()]).encode()
    assert client.post(f"?workitem={UID}", body).status_code == 201
