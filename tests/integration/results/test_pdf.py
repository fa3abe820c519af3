"""The printed report: every name right or not there, every value with its unit, the picture, the marks."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image

from integration.results import ResultOptions, write_results
from integration.results.pdf.facts import shown_name
from integration.results.pdf.letters import Letters
from tests.integration.results.sources import (
    TASK,
    head_findings,
    lesion_findings,
    no_finding,
    request_of,
    write_source,
)
from tests.peers.processes import program

OPTIONS = ResultOptions(objects=("SR", "PDF"))


def _run(tool, *arguments):
    done = subprocess.run([program(tool, "poppler-utils"), *map(str, arguments)], capture_output=True, check=True)
    return done.stdout.decode()


def _report(folder, source, findings, **changes):
    results = write_results(request_of(source, findings, **{"options": OPTIONS, **changes}), folder)
    ds = pydicom.dcmread(results[-1].path)
    assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    path = folder / "report.pdf"
    path.write_bytes(ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength])
    return ds, path, " ".join(_run("pdftotext", "-layout", path, "-").split())


@pytest.mark.parametrize(
    ("name", "character_set", "printed"),
    [
        ("Müller^Jürgen^^Dr.", "ISO_IR 100", ["Müller, Jürgen, Dr."]),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            ["", "ISO 2022 IR 87"],
            ["Yamada, Tarou", "山田 太郎", "やまだ たろう"],
        ),
        ("Wang^XiaoDong=王^小东", "GB18030", ["Wang, XiaoDong", "王 小东"]),
        ("Παπαδοπούλου^Ελένη", "ISO_IR 126", ["Παπαδοπούλου, Ελένη"]),
        ("Иванова^Анна", "ISO_IR 144", ["Иванова, Анна"]),
    ],
    ids=["latin", "japanese", "chinese", "greek", "cyrillic"],
)
def test_pdf__name_of_any_script_that_it_has_letters_for__is_printed_whole(tmp_path, name, character_set, printed):
    source = write_source(tmp_path / "source", character_set=character_set, text={"PatientName": name})
    _, path, text = _report(tmp_path, source, head_findings(source))
    for writing in printed:
        assert writing in text
    assert "not printed" not in text
    fonts = _run("pdffonts", path).splitlines()[2:]
    assert fonts and all(line.split()[-5:-2] == ["yes", "yes", "yes"] for line in fonts)  # embedded, subset, Unicode


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Somchai^Dee=สมชาย^ดี", "U+0E2A"),
        ("قباني^لنزار", "U+0642"),
        ("שרון^דבורה", "U+05E9"),
    ],
    ids=["thai", "arabic", "hebrew"],
)
def test_pdf__name_that_it_cannot_print_rightly__is_not_printed_and_says_so(tmp_path, name, said):
    source = write_source(tmp_path / "source", character_set="ISO_IR 192", text={"PatientName": name})
    ds, _, text = _report(tmp_path, source, head_findings(source))
    assert str(ds.PatientName) == name  # the object itself keeps it
    assert said in text and "read it in PatientName" in text
    assert not set("".join(shown_name(name))) & set(text) - set("Somchai, Dee0123456789 ")


def test_pdf__findings__have_values_units_frame_certainty_and_provenance(tmp_path):
    source = write_source(
        tmp_path / "source",
        frames=5,
        text={"StudyDescription": "Fetal scan", "ManufacturerModelName": "Scanner 9", "PatientBirthDate": "19900203"},
    )
    findings = head_findings(source, frames=(2, 3), best=3) + lesion_findings(source, frame=5)
    ds, path, text = _report(tmp_path, source, findings)
    for words in (
        "Research use only, not for diagnosis",
        "PHANTOM, SAMPLE",
        "PHANTOM-0001",
        "1990-02-03",
        "2026-01-02 10:15",
        "Fetal scan",
        "phantom Scanner 9",
        "fetal head 1 biparietal diameter 30.0 mm 93.0 % 3",
        "breast mass 1 assessment Malignant 71.4 % 5",
        "fetal-head 1.2.0",
        "sha256:" + "ab" * 32,
        "Frame 3 of 5",
        "Frame 5 of 5",
        "page 1 of",
    ):
        assert words in text, words
    assert len(_run("pdfimages", "-list", path).splitlines()) - 2 == 2
    assert ds.DocumentTitle == "fetal-head: ultrasound findings, not for diagnosis"
    uids = [item.ReferencedSOPInstanceUID for item in ds.SourceInstanceSequence]
    assert uids[0] == "2.25.111" and len(uids) >= 3


def test_pdf__picture__is_the_frame_with_the_marks(tmp_path):
    source = write_source(tmp_path / "source", rows=240, columns=322)
    _, path, _ = _report(tmp_path, source, head_findings(source))
    _run("pdfimages", "-all", path, tmp_path / "picture")
    picture = np.asarray(Image.open(tmp_path / "picture-000.jpg")).astype(int)
    assert picture.shape == (240, 322, 3)
    marked = np.ptp(picture, axis=-1) > 60
    assert marked[28:33, 78:83].any() and not marked[150:].any()  # upper end of the short axis; nothing far away
    assert np.abs(picture[160:, :, 0] - source.frame(1)[160:, :, 0]).mean() < 8


def test_pdf__nothing_found__says_why(tmp_path):
    source = write_source(tmp_path / "source")
    _, _, text = _report(tmp_path, source, no_finding())
    assert "no finding, because not a fetal head (scope score 0.02 < 0.50)" in text


def test_pdf__no_scale__says_pixels_and_why(tmp_path):
    source = write_source(tmp_path / "source", regions=())
    _, _, text = _report(tmp_path, source, head_findings(source))
    assert "60.0 pixels" in text and " mm" not in text and "no physical unit, because" in text


def test_pdf__marks__follow_the_site_and_the_package(tmp_path):
    source = write_source(tmp_path / "source")
    trial = replace(TASK, trial="Dice 0.5 is under 0.65")
    _, _, text = _report(tmp_path, source, head_findings(source), task=trial)
    assert "A trial: nobody should rely on it: Dice 0.5 is under 0.65." in text
    options = ResultOptions(objects=("SR", "PDF"), research_use=False)
    _, _, text = _report(tmp_path, source, head_findings(source), options=options)
    assert "diagnosis" not in text and "trial" not in text


def test_pdf__of_a_revision__refers_to_what_it_replaces_and_says_what_changed(tmp_path, validate):
    source = write_source(tmp_path / "source")
    (tmp_path / "before").mkdir()
    before = write_results(request_of(source, head_findings(source), job_identity="aa"), tmp_path / "before")
    report = next(each for each in before if each.role == "SR")
    predecessor = (
        (report.sop_class_uid, report.sop_instance_uid, report.study_instance_uid, report.series_instance_uid),
    )
    now = tuple(replace(f, value=31.0) if f.name == "biparietal diameter" else f for f in head_findings(source))
    ds, _, text = _report(
        tmp_path,
        source,
        now,
        job_identity="bb",
        revision_number=2,
        predecessor=predecessor,
        predecessor_files=(report.path,),
    )
    (study,) = ds.PredecessorDocumentsSequence
    assert (
        study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == report.sop_instance_uid
    )
    assert "Changed since the results that these replace" in text
    assert "30" in text and "31" in text and "revision 2" in text


def test_pdf__made_in_another_process__has_the_same_bytes(tmp_path):
    script = (
        "import sys, pathlib; from tests.integration.results.sources import *; "
        "from integration.results import ResultOptions, write_results; folder = pathlib.Path(sys.argv[1]); "
        "source = write_source(folder / 'source', character_set='ISO_IR 192', text={'PatientName': '王^小东'}); "
        "options = ResultOptions(objects=('PDF',)); "
        "print(write_results(request_of(source, head_findings(source), options=options), folder)[0].sha256)"
    )
    sums = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script, str(tmp_path)]
        sums.add(subprocess.run(command, capture_output=True, check=True, text=True, env=environment).stdout)
    assert len(sums) == 1


def test_letters__text_that_looks_like_markup__is_text():
    assert Letters().markup("a < b & <b>c</b>") == "a &lt; b &amp; &lt;b&gt;c&lt;/b&gt;"


def test_letters__fonts_not_installed__name_is_not_printed_and_doctor_says_what_to_install(tmp_path, monkeypatch):
    from integration.results.pdf import letters as module
    from node.config import Settings
    from node.examination import examine

    given = {
        "node": {"data_dir": str(tmp_path / "var")},
        "models": {"bundled": "none"},
        "peers": {"out": {"kind": "folder", "path": str(tmp_path / "out")}},
        "routes": [{"name": "a", "task": "fetal-head", "objects": ["SR", "PDF"]}],
    }

    def said():
        module.letters.cache_clear()
        return next(each for each in examine(Settings.model_validate(given)) if each.name.startswith("letters"))

    assert said().sound
    monkeypatch.setattr(module, "FONTS", [font for font in module.FONTS if font[0] == "Vera"])
    monkeypatch.setattr(module, "_BOLD", [font for font in module._BOLD if font[0] == "Vera-Bold"])
    check = said()
    assert not check.sound and "apt-get install" in check.words and "Greek and Cyrillic and Japanese" in check.words
    text = {"PatientName": "Παπαδοπούλου^Ελένη=王^小東", "PatientID": "Ü-7"}
    source = write_source(tmp_path / "source", character_set="ISO_IR 192", text=text)
    _, _, printed = _report(tmp_path, source, head_findings(source))
    assert "Ü-7" in printed and "U+03A0" in printed and "U+738B" in printed
    module.letters.cache_clear()
