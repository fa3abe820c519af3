"""The hierarchy, its codes, and what the data sets mean in its words."""

from __future__ import annotations

import csv

import pytest
from pydantic import ValidationError
from pydicom import Dataset
from pydicom.sr._concepts_dict import concepts

from models.packages.settings_pictures import ViewSettings
from tests.data import real_data
from trainer.catalogue import DATA_SETS, ORGANS, REGIONS, organ_named, region_named, region_of, view_settings
from trainer.catalogue.errors import NotInCatalogue
from trainer.catalogue.headers import shown_by

MEANINGS = {code: meaning for entry in concepts["SCT"].values() for code, (meaning, _) in entry.items()}
CODED = [each for each in (*REGIONS, *ORGANS) if each.code is not None]
REAL = sorted(set(DATA_SETS) - {"phantom"})


def rows_of(name: str) -> list[dict[str, str]]:
    with (real_data(name) / "index.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_hierarchy__counted__nine_regions_and_fifty_two_organs_each_with_one_name():
    assert len(REGIONS) == 9
    assert len(ORGANS) == 52
    assert len({organ.name for organ in ORGANS}) == 52


@pytest.mark.parametrize("concept", CODED, ids=lambda concept: concept.name)
def test_code__looked_up_in_the_dictionary_of_dicom__has_that_meaning(concept):
    assert concept.code.scheme == "SCT"
    assert MEANINGS[concept.code.value].removesuffix(" (body structure)") == concept.code.meaning


def test_codes__of_two_concepts__differ():
    assert len({concept.code.value for concept in CODED}) == len(CODED)


def test_region_of__organ__is_the_region_that_lists_it():
    for region in REGIONS:
        assert all(region_of(organ.name) is region for organ in region.organs)


@pytest.mark.parametrize("ask", [organ_named, region_named, region_of])
def test_name__not_in_the_catalogue__error_lists_what_there_is(ask):
    with pytest.raises(NotInCatalogue, match=r"no .* 'soul'; it has .*"):
        ask("soul")


def test_view_settings__whole_catalogue__valid_card_that_reads_back():
    settings = view_settings()
    assert [len(region.organs) for region in settings.regions] == [len(region.organs) for region in REGIONS]
    assert ViewSettings.model_validate(settings.model_dump()) == settings


def test_view_settings__some_organs__only_they_and_their_regions():
    settings = view_settings(["breast", "thyroid", "heart"])
    found = {region.name: [organ.name for organ in region.organs] for region in settings.regions}
    assert found == {"head & neck": ["thyroid"], "thorax": ["heart", "breast"]}


def test_view_settings__organ_without_verified_code__private_code_with_its_name():
    head = view_settings(["fetal head", "liver"]).regions[1].organs[0]
    assert (head.code.scheme, head.code.meaning) == ("99ECHOCARE", "fetal head")


def test_view_settings__unknown_organ_or_one_region__refused():
    with pytest.raises(NotInCatalogue):
        view_settings(["liver", "soul"])
    with pytest.raises(ValidationError):
        view_settings(["liver", "kidney"])


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_data_set__every_row__region_and_organ_of_the_catalogue(name):
    rows = rows_of(name)
    for row in rows:
        shown = DATA_SETS[name].shown(row)
        if name != "dicom_us":
            assert shown.region
        assert all(region_of(organ).name == shown.region for organ in shown.organs)
        assert shown.organ == (shown.organs[0] if shown.organs else "")
    assert set(DATA_SETS[name].labels) <= set(rows[0])


@pytest.mark.data
def test_data_sets__folders_of_the_real_data__all_are_mapped():
    folders = {path.parent.name for path in real_data("hc18").parent.glob("*/index.csv")}
    assert folders <= set(DATA_SETS)


def test_abdomen__several_organs__largest_outline_is_the_main_one():
    shown = DATA_SETS["abdomen"].shown({"liver_area_px": "10", "vessels_area_px": "20", "kidney_area_px": ""})
    assert (shown.organ, shown.organs) == ("abdominal vessels", ("abdominal vessels", "liver"))


def test_structures__organs__are_in_the_catalogue():
    for data_set in DATA_SETS.values():
        for structure in data_set.structures.values():
            assert structure.organ is None or organ_named(structure.organ)


def test_header__anatomic_region_code__wins_over_the_word():
    header, item = Dataset(), Dataset()
    item.CodeValue = "69748006"
    header.AnatomicRegionSequence = [item]
    header.BodyPartExamined = "BREAST"
    assert shown_by(header).organ == "thyroid"


@pytest.mark.parametrize(
    ("word", "region", "organ"),
    [("BREAST", "thorax", "breast"), ("Abdomen", "abdomen", ""), ("", "", ""), ("NOSUCH", "", "")],
)
def test_header__body_part__region_and_organ_as_far_as_said(word, region, organ):
    header = Dataset()
    header.BodyPartExamined = word
    assert (shown_by(header).region, shown_by(header).organ) == (region, organ)
