"""Rules: what they take, what they refuse at start, and what they say about it."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from models.findings import TaskIdentity
from node.config import ConfigError, Settings, load_settings
from node.routing import InstanceFacts, Routes, compile_routes, parse_condition
from node.routing.condition import ConditionInvalid
from node.routing.facts import contexts

US_IMAGE, US_CINE, SECONDARY_CAPTURE = (
    "1.2.840.10008.5.1.4.1.1.6.1",
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.7",
)
OURS = f"task fetal-head 1, package sha256:{'a' * 64}, encoder sha256:{'b' * 64}, revision 1"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
PACKAGES = tuple(
    TaskIdentity(task=task, version="1", digest=f"sha256:{character * 64}", encoder_digest="")
    for task, character in (("fetal-head", "a"), ("breast-lesion", "b"))
)


def header(**attributes: object) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def facts(
    number: int = 1, *, sop_class: str = US_IMAGE, calling_ae: str = "US1", **attributes: object
) -> InstanceFacts:
    return InstanceFacts(
        id=number,
        sop_instance_uid=f"1.2.{number}",
        sop_class_uid=sop_class,
        study_uid="1.1",
        series_uid="1.1.1",
        calling_ae=calling_ae,
        called_ae="ECHOCARE",
        header=header(**{"Modality": "US", **attributes}),
    )


def routes_of(tmp_path: Path, *routes: str, peers: str = "pacs: {kind: folder, path: out}") -> Routes:
    return compile_routes(settings_of(tmp_path, *routes, peers=peers), PACKAGES)


def settings_of(tmp_path: Path, *routes: str, peers: str = "pacs: {kind: folder, path: out}") -> Settings:
    file = tmp_path / "echocare-node.yaml"
    file.write_text("\n".join(["peers:", f"  {peers}", "routes:", *(f"  - {route}" for route in routes)]))
    return load_settings(file, {})


def holds(condition: str, instance: InstanceFacts) -> bool:
    parsed = parse_condition(condition)
    return parsed.holds(contexts([instance], parsed.keywords)[instance.id])


@pytest.mark.parametrize(
    "condition",
    [
        'instance.Modality == "US"',
        'instance["Modality"] == "US"',
        "instance.Rows > 100 && instance.Rows <= 768",
        '"PRIMARY" in instance.ImageType',
        'instance.ImageType.exists(x, x.startsWith("PRIM"))',
        "instance.FrameTime > 33.0",
        'instance.AnatomicRegionSequence.exists(region, region.CodeValue == "77477000")',
        'instance.StudyDescription.lowerAscii().contains("obstetr")',
        'calling_ae in ["US1", "US2"] && called_ae == "ECHOCARE"',
        "study.NumberOfStudyRelatedInstances == 1",
        '"US" in study.ModalitiesInStudy',
        'instance.BodyPartExamined == "" && instance.NumberOfFrames == 0 && size(instance.EventElapsedTimes) == 0',
        'view.organ == "" || view.confidence > 0.5',
        'false || (true && instance.Modality != "MR")',
    ],
)
def test_condition__true_of_the_image__holds(condition: str) -> None:
    region = header(CodeValue="77477000")
    image = facts(
        Rows=768,
        ImageType=["ORIGINAL", "PRIMARY"],
        FrameTime="33.3",
        AnatomicRegionSequence=[region],
        StudyDescription="Obstetrics",
    )
    assert holds(condition, image)


@pytest.mark.parametrize(
    "condition",
    [
        'instance.Modality == "MR"',
        'instance.ImageType[0] == "ORIGINAL"',  # an index into an empty list is false, not an error
        'instance.AnatomicRegionSequence[0].CodeValue == "1"',
        "instance.NumberOfFrames > 1",
        'view.organ == "fetal head"',
    ],
)
def test_condition__attribute_missing__is_false_and_no_error(condition: str) -> None:
    assert not holds(condition, facts())


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ('instance.Modalty == "US"', "did you mean 'Modality'"),
        ('instance["Modalty"] == "US"', "did you mean 'Modality'"),
        ("foo.Rows == 1", "'foo' is unknown"),
        ('calling == "US1"', "did you mean 'calling_ae'"),
        ('view.organe == "liver"', "did you mean 'organ'"),
        ('instance.Modality.startWith("U")', "did you mean 'startsWith'"),
        ("instance.Rows", "must be true or false, it is a number"),
        ("instance.Modality", "must be true or false, it is text"),
        ('instance.Modality = "US"', "column 19"),
        ('instance.Modality == "US', "is not a CEL expression"),
        ('instance.Rows == "768"', "is a number; write 768 without quotes"),
        ("instance.PatientID == 12", 'is text; write "12" in quotes'),
        ('"ORIGINAL" == instance.ImageType', "holds several values"),
        ("study.PixelData == true", "bulk data"),
        ('instance.AnatomicRegionSequence.exists(r, r.CodeValu == "1")', "did you mean 'CodeValue'"),
        ('instance.Modality == "US" && instance.Rows', "instance.Rows must be true or false"),
        ('instance.Modality.matches("(")', "matches"),
    ],
)
def test_condition__faulty__is_refused_in_words(condition: str, words: str) -> None:
    with pytest.raises(ConditionInvalid) as caught:
        parse_condition(condition)
    assert words in str(caught.value)


def test_compile_routes__several_faults__all_with_their_lines(tmp_path: Path) -> None:
    configured = settings_of(
        tmp_path,
        "{name: a, when: 'instance.Modality == \"US\"', task: fetal-haed}",
        "{name: b, when: 'instance.Modalty == \"US\"', task: fetal-head}",
        "{name: c, when: 'true', task: fetal-head}",
    )
    with pytest.raises(ConfigError) as caught:
        compile_routes(configured, PACKAGES)
    faults = {(fault.key, Path(fault.where).name) for fault in caught.value.faults}
    assert faults == {("routes.0.task", "echocare-node.yaml:4"), ("routes.1.when", "echocare-node.yaml:5")}


def test_plan__one_job_for_each_image_and_rule(tmp_path: Path) -> None:
    routes = routes_of(
        tmp_path,
        "{name: fetal, when: 'instance.BodyPartExamined == \"FETUS\"', task: fetal-head, "
        "send_to: [pacs], priority: stat}",
        "{name: all, task: breast-lesion, mode: shadow}",
    )
    planned = routes.plan([facts(2, BodyPartExamined="BREAST"), facts(1, BodyPartExamined="FETUS")])
    assert [(job.route, job.task, job.instance_ids, job.mode, job.priority, job.send_to) for job in planned] == [
        ("fetal", "fetal-head", (1,), "active", "stat", ("pacs",)),
        ("all", "breast-lesion", (1,), "shadow", "routine", ()),
        ("all", "breast-lesion", (2,), "shadow", "routine", ()),
    ]
    assert planned[0].package_digest == "a" * 64


@pytest.mark.parametrize(
    "instance",
    [
        facts(sop_class=SEG, Modality="SEG"),
        facts(sop_class="1.2.840.10008.5.1.4.1.1.88.34", Modality="SR"),
        facts(sop_class=SECONDARY_CAPTURE, ContributingEquipmentSequence=[header(ContributionDescription=OURS)]),
    ],
)
def test_plan__own_results_and_other_objects__no_job(instance: InstanceFacts, tmp_path: Path) -> None:
    routes = routes_of(tmp_path, "{name: all, when: 'true', task: fetal-head}")
    assert routes.plan([instance]) == ()
    (explained,) = routes.explain([instance])[instance.id]
    assert not explained.matched
    assert explained.why.startswith("it is ")


@pytest.mark.parametrize("sop_class", [US_IMAGE, US_CINE, "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3"])
def test_plan__ultrasound_of_any_age__is_taken(sop_class: str, tmp_path: Path) -> None:
    routes = routes_of(tmp_path, "{name: all, task: fetal-head}")
    assert len(routes.plan([facts(sop_class=sop_class)])) == 1


@given(seed=st.integers(0, 10**6), count=st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_plan__instances_in_any_order__same_plan(seed: int, count: int) -> None:
    condition = 'study.PatientSex == "F" && series.NumberOfSeriesRelatedInstances > 1 || instance.Rows == 512'
    compiled = compile_routes(
        Settings.model_validate({"routes": [{"name": "a", "when": condition, "task": "fetal-head"}]}), PACKAGES
    )
    draw = random.Random(seed)
    instances = [
        facts(number, PatientSex=draw.choice(["", "F", "M"]), Rows=draw.choice([1, 512])) for number in range(count)
    ]
    shuffled = draw.sample(instances, k=count)
    assert compiled.plan(instances) == compiled.plan(shuffled)


@given(value=st.text(max_size=30), number=st.text(max_size=8))
@settings(max_examples=60, deadline=None)
def test_condition__any_header_text__never_raises(value: str, number: str) -> None:
    instance = facts()
    instance.header.add_new("StudyDescription", "LO", value)
    instance.header._dict[0x00280008] = header(NumberOfFrames="1")["NumberOfFrames"]
    instance.header._dict[0x00280008]._value = number
    condition = parse_condition('instance.NumberOfFrames > 1 && study.StudyDescription.matches("^[A-Z]")')
    seen = contexts([instance], condition.keywords)[instance.id]
    verdict = condition.verdict(seen, show_values=False)
    assert verdict.holds is condition.holds(seen)


def test_explain__rule_fails_at_one_part__names_that_part_only(tmp_path: Path) -> None:
    routes = routes_of(
        tmp_path,
        '{name: a, when: \'instance.Modality == "US" && (instance.BodyPartExamined == "FETUS" || '
        'view.organ == "fetal head")\', task: fetal-head}',
    )
    image = facts(BodyPartExamined="BREAST")
    (shown,) = routes.explain([image], show_values=True)[1]
    assert not shown.matched
    assert "instance.BodyPartExamined is 'BREAST'" in shown.why
    assert "view.organ is empty" in shown.why
    assert "Modality" not in shown.why


def test_explain__values_not_to_be_shown__no_value_in_the_words(tmp_path: Path) -> None:
    routes = routes_of(tmp_path, "{name: a, when: 'instance.PatientName.contains(\"X\")', task: fetal-head}")
    (explained,) = routes.explain([facts(PatientName="MARKED^NAME")])[1]
    assert "MARKED" not in explained.why
    (explained,) = routes.explain([facts(PatientName="MARKED^NAME")], show_values=True)[1]
    assert "MARKED" in explained.why


def test_explain__rule_takes_the_image__says_what_held(tmp_path: Path) -> None:
    routes = routes_of(
        tmp_path, '{name: a, when: \'instance.Modality == "US" || calling_ae == "X"\', task: fetal-head}'
    )
    (explained,) = routes.explain([facts()])[1]
    assert explained.matched
    assert explained.why.startswith('instance.Modality == "US" holds')


def in_series(number: int, series: str) -> InstanceFacts:
    return dataclasses.replace(facts(number), series_uid=series)


def test_counts__two_series_of_a_study__each_tells_its_own_and_the_study_all() -> None:
    instances = [in_series(1, "1.1.1"), in_series(2, "1.1.1"), in_series(3, "1.1.2")]
    seen = contexts(
        instances,
        ["NumberOfSeriesRelatedInstances", "NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries"],
    )
    assert [seen[number]["series"]["NumberOfSeriesRelatedInstances"] for number in (1, 2, 3)] == [2, 2, 1]
    assert {seen[number]["study"]["NumberOfStudyRelatedInstances"] for number in seen} == {3}
    assert {seen[number]["study"]["NumberOfStudyRelatedSeries"] for number in seen} == {2}


def test_contexts__of_a_large_exam__each_header_is_read_a_few_times_and_not_once_for_every_other() -> None:
    reads = 0

    class Counting(Dataset):
        def get(self, *arguments: object, **more: object) -> object:
            nonlocal reads
            reads += 1
            return super().get(*arguments, **more)  # type: ignore[call-overload]

    instances = []
    for number in range(300):
        counted = Counting()
        counted.Modality = "US"
        instances.append(dataclasses.replace(facts(number), header=counted))
    reads = 0
    contexts(instances, ["Modality", "ModalitiesInStudy"])
    assert reads <= 10 * len(instances)
