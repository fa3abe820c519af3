"""Perceptual hash, splits, pseudonyms: the small rules that shards and cohorts stand on."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from tests.data import real_data
from tests.trainer.data.made import noise
from trainer.data.dicom_folder import evenly
from trainer.data.errors import BadKey
from trainer.data.likeness import GROWTH, Gallery, perceptual_hash
from trainer.data.pseudonyms import Pseudonyms, open_pseudonyms
from trainer.data.screen import scanned_area
from trainer.data.splitting import split_of


def bits_apart(one: np.ndarray, other: np.ndarray) -> int:
    return (perceptual_hash(one) ^ perceptual_hash(other)).bit_count()


def test_perceptual_hash__same_picture_smaller_brighter_or_compressed__few_bits():
    picture = noise(1, 256)
    smaller = cv2.resize(picture, (160, 160), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)
    assert bits_apart(picture, smaller) <= 2
    assert bits_apart(picture, picture + 10) <= 2
    assert bits_apart(picture, jpeg) <= 2


def test_perceptual_hash__other_pictures__many_bits():
    pictures = [noise(i) for i in range(20)]
    apart = [bits_apart(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(apart) > 8


def test_gallery__more_than_it_began_with__still_finds_all():
    rng = np.random.default_rng(0)
    values = [int(v) for v in rng.integers(0, 2**63, GROWTH + 10, dtype=np.uint64)]
    gallery = Gallery(bits=2)
    for value in values:
        gallery.keep(value)
    assert all(gallery.has_like(value ^ 5) for value in (values[0], values[-1]))
    assert not Gallery(bits=-1).has_like(values[0])


@pytest.mark.data
@pytest.mark.parametrize(("name", "before"), [("thyroid", ""), ("hc18", "hc18"), ("camus_4ch", "camus")])
def test_split_of__data_sets_of_the_repository__the_same_rule(name, before):
    with (real_data(name) / "index.csv").open(newline="") as file:
        assert all(split_of(before + row["patient_id"]) == row["split"] for row in csv.DictReader(file))


def test_pseudonyms__same_key__same_name_and_another_with_another_key_or_kind():
    first, second = Pseudonyms(b"one" * 8), Pseudonyms(b"two" * 8)
    assert first.of("patient", "12") == first.of("patient", "12")
    assert len({first.of("patient", "12"), second.of("patient", "12"), first.of("item", "12")}) == 3
    assert first.of("patient", "1", "2") != first.of("patient", "12")


def test_open_pseudonyms__no_file__key_is_made_for_this_user_alone_and_kept(tmp_path):
    path = tmp_path / "sub" / "site.key"
    first = open_pseudonyms(path)
    assert path.stat().st_mode & 0o077 == 0
    assert open_pseudonyms(path).of("patient", "x") == first.of("patient", "x")


def test_open_pseudonyms__short_or_readable_by_others__refused(tmp_path):
    short, open_ = tmp_path / "short", tmp_path / "open"
    short.write_bytes(b"abc")
    short.chmod(0o600)
    open_.write_bytes(b"x" * 32)
    open_.chmod(0o644)
    with pytest.raises(BadKey, match="3 bytes"):
        open_pseudonyms(short)
    with pytest.raises(BadKey, match="chmod 600"):
        open_pseudonyms(open_)
    with pytest.raises(BadKey, match="cannot be used"):
        open_pseudonyms(tmp_path)


def test_scanned_area__text_beside_a_sector__text_is_outside():
    picture = np.zeros((300, 400), np.uint8)
    cv2.ellipse(picture, (200, 20), (230, 230), 0, 50, 130, 90, -1)
    sector = picture > 0
    cv2.putText(picture, "DOE JOHN", (10, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    area = scanned_area(picture)
    assert area[sector].mean() > 0.99
    assert not area[:25, :90].any()


def test_scanned_area__black_or_text_alone__none():
    picture = np.zeros((300, 400), np.uint8)
    assert scanned_area(picture) is None
    for line in range(6):
        cv2.putText(picture, "gain 52  C 4", (280, 30 + 40 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    assert scanned_area(picture) is None


@pytest.mark.parametrize(("there", "wanted", "numbers"), [(1, 8, [1]), (3, 8, [1, 2, 3]), (9, 3, [1, 5, 9])])
def test_evenly__first_and_last_frame_among_them(there, wanted, numbers):
    assert evenly(there, wanted) == numbers
