"""BI-RADS and TI-RADS as coded evaluations of a TID 1500 report, with the codes that the cards bring."""

from __future__ import annotations

from collections.abc import Iterator

import highdicom as hd
import pydicom
import pytest
import yaml
from pydicom.sr._concepts_dict import concepts

from integration.results import codes, write_results
from models.findings import Category, Code
from models.packages import BUNDLED
from tests.integration.results.sources import lesion_findings, request_of, write_source

CARDS = {path.parent.name: yaml.safe_load(path.read_text()) for path in sorted(BUNDLED.rglob("card.yaml"))}
GRADED = ("breast-birads", "thyroid-tirads")
BESIDE_DICTIONARY = {
    ("SCT", "74281007"): "SNOMED CT, Myocardium structure; context groups have that of the left ventricle",
}
ALGORITHM_FAMILY = "111000"  # of TID 4019, which highdicom lists with the evaluations


def code_of(entry) -> Code:
    return Code(value=entry["value"], scheme=entry["scheme"], meaning=entry["meaning"])


def coded(entry) -> Iterator[dict[str, str]]:
    """Every code that a card's settings hold."""
    if isinstance(entry, dict):
        if {"value", "scheme", "meaning"} <= set(entry):
            yield entry
        for value in entry.values():
            yield from coded(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from coded(value)


def in_dictionary(code: Code) -> bool:
    return any(code.value in entries for entries in concepts.get(code.scheme, {}).values())


def evaluations(path) -> list[hd.sr.CodeContentItem]:
    (group,) = hd.sr.srread(path).content.get_image_measurement_groups()
    return [said for said in group.get_qualitative_evaluations() if said.name.value != ALGORITHM_FAMILY]


def report(folder, answer, **changes):
    source = write_source(folder / "source", frames=5)
    results = write_results(request_of(source, (answer,), **changes), folder)
    return next(result.path for result in results if result.role == "SR-TEXT")


@pytest.mark.parametrize("task", CARDS)
def test_card__codes_are_in_the_dictionary_or_private(task):
    for entry in coded(CARDS[task]["settings"]):
        code = code_of(entry)
        known = in_dictionary(code) or (code.scheme, code.value) in BESIDE_DICTIONARY
        assert code.scheme == codes.PRIVATE_SCHEME or known, code
        assert len(code.meaning) <= codes.MAX_MEANING
        if code.scheme == codes.PRIVATE_SCHEME:
            assert not in_dictionary(Code(value=code.value, scheme="DCM", meaning="")), "a private code has no twin"


@pytest.mark.parametrize(("task", "grade"), [(task, n) for task in GRADED for n in range(4)])
def test_grade__is_a_qualitative_evaluation_with_its_code_and_probability(tmp_path, validate, dcmtk, task, grade):
    question = CARDS[task]["settings"]["question"]
    value = code_of(CARDS[task]["settings"]["grades"][grade]["code"])
    answer = Category(
        name=question["name"],
        group="nodule 1",
        frame=3,
        code=code_of(question["code"]),
        site=code_of(question["site"]),
        value=value,
        probability=0.625,
    )
    path = report(tmp_path, answer)
    (group,) = hd.sr.srread(path).content.get_image_measurement_groups()
    (said,) = evaluations(path)
    assert (said.name.value, said.name.scheme_designator) == ("111005", "DCM")
    assert (said.value.value, said.value.scheme_designator) == (value.value, value.scheme)
    (sure,) = group.get_measurements()
    assert (sure.value, sure.unit.value, sure.name.value) == (62.5, "%", "122157")
    (site,) = group.finding_sites
    assert site.value.value == question["site"]["value"]
    complaints = validate(path)
    assert [line for line in complaints if line.startswith("Error")] == []
    assert value.meaning in dcmtk("dsrdump", "+Pl", path)
    schemes = pydicom.dcmread(path).get("CodingSchemeIdentificationSequence", ())
    if value.scheme == codes.PRIVATE_SCHEME:
        (scheme,) = schemes
        assert scheme.CodingSchemeDesignator == codes.PRIVATE_SCHEME
        assert scheme.CodingSchemeResponsibleOrganization == "echocare-node"
        assert "echocare-node" in scheme.CodingSchemeName
    else:
        assert len(schemes) == 0 and complaints == []


def test_impression_of_an_outlined_mass__is_a_qualitative_evaluation(tmp_path):
    source = write_source(tmp_path / "source")
    results = write_results(request_of(source, lesion_findings(source)), tmp_path)
    (path,) = (result.path for result in results if result.role == "SR-TEXT")
    assert [said.value.meaning for said in evaluations(path)] == ["Malignant"]
