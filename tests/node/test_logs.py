from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, UltrasoundImageStorage
from pynetdicom import AE, evt

from integration.dimse import STORAGE_COMMITMENT, CommitmentRequest, DimseError, Peer, Reference, request_commitment
from integration.dimse.receiving import Receiving
from integration.retrieval import Arriving, Reception
from node import logs
from node.logs import hashed, log_context, setup
from tests.peers.processes import free_port

UID = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture(autouse=True)
def _own_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    pydicom = logging.getLogger("pydicom")
    before, levels = list(root.handlers), (root.level, pydicom.level)
    yield
    root.handlers[:] = before
    root.setLevel(levels[0])
    pydicom.setLevel(levels[1])


def test_hashed__uid__is_twelve_digits_always_the_same() -> None:
    assert hashed(UID) == hashed(UID)
    assert len(hashed(UID)) == 12
    assert hashed(UID) != hashed(UID + "1")


def test_context__uids__come_out_hashed() -> None:
    context = log_context(study=UID, job=7, code=None)
    assert context == {"echocare": {"study": hashed(UID), "job": 7}}


@pytest.mark.parametrize("key", ["patient_name", "PatientID", "path", "uid"])
def test_context__key_outside_the_list__is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        log_context(**{key: "x"})


def test_setup__json__writes_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    setup(form="json")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("node.worker").exception("A job failed", extra=log_context(job=7, study=UID))
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["message"], found["job"], found["study"], found["level"]) == ("A job failed", 7, hashed(UID), "ERROR")
    assert "RuntimeError: broken" in found["traceback"]
    assert found["time"].endswith("+00:00")


def test_setup__plain__writes_sentence_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    setup()
    logging.getLogger("node.worker").info("A job ended", extra=log_context(job=7))
    assert capsys.readouterr().err.endswith("INFO    node.worker: A job ended [job=7]\n")


def test_setup__other_packages__are_heard_from_warning_up_and_without_their_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    setup(level="DEBUG", form="json")
    logging.getLogger("sqlalchemy.pool").info("the whole data set")
    logging.getLogger("sqlalchemy.pool").warning("SECRET of %s", "SECRET")
    try:
        int("SECRET".lower())
    except ValueError as fault:
        logging.getLogger("apscheduler").exception(fault)
    logging.getLogger("node").debug("ours")
    said = capsys.readouterr().err
    warned, failed, ours = map(json.loads, said.splitlines())
    assert "SECRET of" not in said and "invalid literal" not in said
    assert (warned["level"], warned["logger"], warned["reason"].partition(" ")[0]) == (
        "WARNING", "sqlalchemy.pool", "test_logs"
    )  # fmt: skip
    assert "ValueError" in failed["traceback"] and "test_logs.py" in failed["traceback"]
    assert ours["message"] == "ours"


def test_setup__uvicorn__keeps_its_constant_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    setup()
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert "uvicorn.error: Invalid HTTP request received." in capsys.readouterr().err


def test_setup__pynetdicom_meets_peers_that_refuse_abort_or_are_gone__is_not_heard(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What it says of them at level ERROR is told by the callers."""
    server = AE(ae_title="PEER")
    server.require_called_aet = True
    server.add_supported_context(STORAGE_COMMITMENT)
    actions: list[Any] = [(evt.EVT_N_ACTION, lambda event: event.assoc.abort())]
    running = server.start_server(("127.0.0.1", 0), block=False, evt_handlers=actions)
    assert running is not None
    port = running.server_address[1]
    asked = CommitmentRequest(transaction_uid=UID, references=(Reference(sop_class=UID, sop_instance=UID),))
    setup(level="DEBUG")
    try:
        for title, at in (("OTHER", port), ("PEER", port), ("PEER", free_port())):
            peer = Peer(ae_title=title, host="127.0.0.1", port=at, response_timeout_s=20)
            with pytest.raises(DimseError):
                request_commitment(peer, asked, 0)
    finally:
        running.shutdown()
    assert [line for line in capsys.readouterr().err.splitlines() if "pynetdicom" in line] == []


def test_setup__handler_of_ours_fails_within_pynetdicom__place_and_kind_are_told_without_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Failing:
        def begin(self, arriving: Arriving) -> Reception:
            raise LookupError(arriving.sop_instance_uid)

    setup()
    port = free_port()
    with Receiving(port=port).receiving(Failing()):
        ae = AE()
        ae.add_requested_context(UltrasoundImageStorage)
        assoc = ae.associate("127.0.0.1", port, ae_title="ECHOCARE")
        assert assoc.is_established
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID, ds.PatientName = UltrasoundImageStorage, UID, "DOE^JANE"
        assert assoc.send_c_store(ds).Status == 0xC211
        assoc.release()
    said = capsys.readouterr().err
    assert UID not in said and "DOE" not in said
    assert "LookupError, its words are withheld" in said
    assert "in begin" in said
    assert said.count(" ERROR ") == 1


def test_setup__called_twice__writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    setup()
    setup()
    logging.getLogger("node").info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_setup__pydicom_warns_with_a_value__the_value_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    setup()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logs.warn_without_words
        warnings.warn("Invalid value for VR UI: '1.4.SECRET'", UserWarning, stacklevel=1)
    logging.getLogger("pydicom").warning("Invalid value for VR UI: '1.4.SECRET'")
    said = capsys.readouterr().err
    assert "SECRET" not in said
    assert "A library warned" in said
