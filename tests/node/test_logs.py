from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from node import logs
from node.logs import hashed, log_context, setup

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


def test_setup__other_packages__speak_from_warning_up_only(capsys: pytest.CaptureFixture[str]) -> None:
    setup(level="DEBUG")
    logging.getLogger("pynetdicom.acse").info("the whole data set")
    logging.getLogger("pynetdicom.acse").warning("grave")
    logging.getLogger("node").debug("ours")
    assert [line.rpartition(": ")[2] for line in capsys.readouterr().err.splitlines()] == ["grave", "ours"]


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
