"""From sources to shards: what gets in, what stays out, what a stop and a second run leave."""

from __future__ import annotations

import io
import json
import tarfile

import cv2
import numpy as np
import pytest
import webdataset

from tests.data import real_data
from tests.trainer.data.made import SECRETS, dicom_file, image_folder, noise, one_region
from trainer.data.dicom_folder import Taking
from trainer.data.errors import BrokenShard, OtherShards
from trainer.data.finding import find_sources
from trainer.data.manifest import read_manifest
from trainer.data.pseudonyms import Pseudonyms
from trainer.data.shards import ALIKE, Options, make_shards
from trainer.data.tars import read_shard
from trainer.errors import MissingData

KEY = Pseudonyms(b"a key that only the tests have")


def made(paths, out, *, frames=8, trusted=False, **options):
    taking = Taking(frames=frames, trusted=trusted)
    return make_shards(find_sources(paths, taking), out, KEY, Options(taking=taking, **options))


def samples_of(out):
    return [sample for path in sorted(out.glob("*.tar")) for sample in read_shard(path)]


@pytest.fixture
def twelve(tmp_path):
    names = [f"n{i}" for i in range(12)]
    splits = dict(zip(names, ["train"] * 8 + ["val"] * 2 + ["test"] * 2, strict=True))
    organs = dict.fromkeys(names[:6], "liver")
    return image_folder(tmp_path / "twelve", {n: noise(i) for i, n in enumerate(names)}, split=splits, organ=organs)


def test_shards__image_folder__pictures_splits_and_organs_arrive(twelve, tmp_path):
    manifest = made([twelve], tmp_path / "out")
    assert manifest["by_split"] == {"test": 2, "train": 8, "val": 2}
    assert manifest["by_organ"] == {"liver": 6, "not known": 6}
    found = samples_of(tmp_path / "out")
    assert len(found) == 12
    wanted = {noise(i).tobytes() for i in range(12)}
    assert {sample.image.tobytes() for sample in found} == wanted
    assert {s.about["region"] for s in found if s.about["organ"] == "liver"} == {"abdomen"}


def test_shards__split_column_absent__rule_by_patient(tmp_path):
    folder = image_folder(tmp_path / "plain", {f"n{i}": noise(i) for i in range(5)})
    made([folder], tmp_path / "out")
    assert all(sample.about["split"] in ("train", "val", "test", "aside") for sample in samples_of(tmp_path / "out"))


def test_shards__dicom_with_secrets__none_reaches_any_file(tmp_path):
    dicom_file(tmp_path / "dicom" / "ZZNAME.dcm")
    out = tmp_path / "out"
    manifest = made([tmp_path / "dicom"], out, trusted=True)
    assert manifest["samples"] >= 1
    written = b"".join(path.read_bytes() for path in out.iterdir())
    assert not [secret for secret in SECRETS if secret.encode() in written]
    assert {"PatientName", "PatientID", "StudyDate", "private"} <= set(manifest["removed"])
    assert "Manufacturer" not in manifest["removed"]


def test_shards__region_declared__cut_to_it_with_its_scale(tmp_path):
    path = dicom_file(tmp_path / "dicom" / "a.dcm")
    one_region(path, 20, 30, 219, 179)
    made([tmp_path / "dicom"], tmp_path / "out")
    (sample,) = samples_of(tmp_path / "out")
    assert sample.image.shape == (150, 200)
    assert sample.about["mm_per_pixel"] == [0.5, 0.5]


@pytest.mark.parametrize("stated", [None, "YES", ""])
def test_shards__whole_frame_and_text_not_ruled_out__left_out_with_the_reason(tmp_path, stated):
    dicom_file(tmp_path / "dicom" / "a.dcm", SequenceOfUltrasoundRegions=None, BurnedInAnnotation=stated)
    manifest = made([tmp_path / "dicom"], tmp_path / "out")
    assert manifest["samples"] == 0
    assert any(reason.startswith("screen.no-region") for reason in manifest["left_out"])


def test_shards__whole_frame_that_says_nothing_is_burned_in__taken(tmp_path):
    dicom_file(tmp_path / "dicom" / "a.dcm", SequenceOfUltrasoundRegions=None, BurnedInAnnotation="NO")
    assert made([tmp_path / "dicom"], tmp_path / "out")["samples"] == 1


def test_shards__file_that_is_no_dicom__counted_and_the_rest_is_taken(tmp_path):
    dicom_file(tmp_path / "dicom" / "a.dcm")
    (tmp_path / "dicom" / "notes.txt").write_text("hello")
    manifest = made([tmp_path / "dicom"], tmp_path / "out", trusted=True)
    assert manifest["samples"] >= 1
    assert manifest["left_out"]["pixels.not-an-image"] == 1


def test_shards__one_patient_in_two_files__one_pseudonym_and_one_split(tmp_path):
    dicom_file(tmp_path / "one" / "a.dcm", seed=1)
    dicom_file(tmp_path / "two" / "b.dcm", seed=2)
    made([tmp_path / "one", tmp_path / "two"], tmp_path / "out", trusted=True)
    found = samples_of(tmp_path / "out")
    assert len({sample.about["source"] for sample in found}) == 2
    assert len({sample.about["patient"] for sample in found}) == 1
    assert len({sample.about["split"] for sample in found}) == 1


def test_shards__near_duplicate_in_train_and_test__the_test_picture_stays(tmp_path):
    picture = noise(3)
    brighter = (picture.astype(int) + 4).clip(0, 255).astype(np.uint8)
    folder = image_folder(
        tmp_path / "two", {"a": picture, "b": brighter}, split={"a": "train", "b": "test"}, licence={"b": "CC0 1.0"}
    )
    manifest = made([folder], tmp_path / "out")
    assert manifest["by_split"] == {"test": 1}
    assert manifest["left_out"] == {ALIKE: 1}
    assert made([folder], tmp_path / "all", alike_bits=-1)["samples"] == 2


def test_shards__column_that_nobody_knows__stays_behind_and_is_named(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1)}, patient_name={"a": "ZZNAME"})
    manifest = made([folder], tmp_path / "out")
    assert manifest["removed"] == {"patient_name": 1}
    assert b"ZZNAME" not in b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())


def test_shards__stopped_and_given_again__same_bytes_as_without_a_stop(twelve, tmp_path):
    made([twelve], tmp_path / "whole", samples=3)

    def stop(done, of):
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_shards(find_sources([twelve], Taking()), tmp_path / "cut", KEY, Options(samples=3), stop)
    assert not list((tmp_path / "cut").glob("*.part"))
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("*.tar")}
    assert before
    seen = []
    make_shards(
        find_sources([twelve], Taking()), tmp_path / "cut", KEY, Options(samples=3), lambda done, of: seen.append(done)
    )
    assert min(seen) > 1
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("*.tar")}.items()
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "cut" / path.name).read_bytes() == path.read_bytes(), path.name


def test_shards__last_line_of_the_report_cut_off__its_shard_is_made_again(twelve, tmp_path):
    out = tmp_path / "out"
    whole = made([twelve], out, samples=3)
    report = out / "report.jsonl"
    report.write_text(report.read_text()[:-40])
    assert made([twelve], out, samples=3) == whole


def test_shards__other_options_into_the_same_folder__refused(twelve, tmp_path):
    made([twelve], tmp_path / "out", samples=3)
    with pytest.raises(OtherShards, match="empty folder"):
        made([twelve], tmp_path / "out", samples=4)


def test_read_manifest__a_shard_has_changed__says_which(twelve, tmp_path):
    made([twelve], tmp_path / "out")
    assert read_manifest(tmp_path / "out")["samples"] == 12
    shard = next((tmp_path / "out").glob("train-*.tar"))
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(BrokenShard, match="train-000000"):
        read_manifest(tmp_path / "out")


def test_read_shard__cut_off__error_names_it(twelve, tmp_path):
    made([twelve], tmp_path / "out")
    shard = next((tmp_path / "out").glob("train-*.tar"))
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(BrokenShard, match="train-000000"):
        list(read_shard(shard))


def test_shard__layout__files_of_a_sample_stand_together_under_one_key(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1), "b": noise(2)}, mask={"a": "images/b.png"})
    made([folder], tmp_path / "out")
    endings = {}
    for path in (tmp_path / "out").glob("*.tar"):
        with tarfile.open(path) as tar:
            for entry in tar:
                key, _, ending = entry.name.partition(".")
                endings.setdefault(key, []).append(ending)
                assert (entry.mtime, entry.uid, entry.uname) == (0, 0, "")
    assert sorted(endings.values()) == [["png", "json"], ["png", "mask.png", "json"]]


def test_shards__read_by_the_webdataset_library__the_same_samples(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1), "b": noise(2)}, mask={"a": "images/b.png"})
    made([folder], tmp_path / "out")
    shards = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    theirs = {sample["__key__"]: sample for sample in webdataset.WebDataset(shards, shardshuffle=False)}
    ours = {sample.key: sample for sample in samples_of(tmp_path / "out")}
    assert theirs.keys() == ours.keys()
    for key, sample in ours.items():
        assert json.loads(theirs[key]["json"]) == sample.about
        assert np.array_equal(cv2.imdecode(np.frombuffer(theirs[key]["png"], np.uint8), 0), sample.image)
        assert ("mask.png" in theirs[key]) == (sample.mask is not None)


def test_find_sources__folder_of_image_folders__each_of_them(tmp_path):
    for name in ("one", "two"):
        image_folder(tmp_path / "sets" / name, {"a": noise(1)})
    assert [source.name for source in find_sources([tmp_path / "sets"], Taking())] == ["one", "two"]


def test_find_sources__no_folder_or_the_same_name_twice__refused(tmp_path):
    with pytest.raises(MissingData, match="is no folder"):
        find_sources([tmp_path / "none"], Taking())
    folders = [image_folder(tmp_path / side / "own", {"a": noise(1)}) for side in "ab"]
    with pytest.raises(MissingData, match="two sources are named own"):
        find_sources(folders, Taking())


def test_image_folder__index_with_a_foreign_split__refused(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1)}, split={"a": "Training"})
    with pytest.raises(MissingData, match="Training"):
        find_sources([folder], Taking())


def test_image_folder__picture_missing_or_organ_not_known__left_out(tmp_path):
    folder = image_folder(tmp_path / "own", {"a": noise(1), "b": noise(2), "c": noise(3)}, organ={"b": "soul"})
    (folder / "images" / "a.png").unlink()
    manifest = made([folder], tmp_path / "out")
    assert manifest["samples"] == 1
    assert sum(manifest["left_out"].values()) == 2


@pytest.mark.data
def test_shards__real_sets__labels_and_masks_arrive_and_no_index_id_does(tmp_path):
    folder = tmp_path / "busi"
    folder.mkdir()
    for name in ("images", "masks"):
        (folder / name).symlink_to(real_data("busi") / name)
    lines = (real_data("busi") / "index.csv").read_text().splitlines(keepends=True)
    (folder / "index.csv").write_text("".join(lines[:25]))
    manifest = made([folder], tmp_path / "out")
    found = samples_of(tmp_path / "out")
    assert manifest["by_organ"] == {"breast": len(found)}
    assert {sample.about["labels"]["label"] for sample in found} == {"benign", "malignant", "normal"}
    assert all(sample.mask.shape == sample.image.shape for sample in found)
    assert found[0].about["structures"] == {"255": "lesion"}
    assert b"busi_benign" not in b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert sum(manifest["by_licence"].values()) == len(found)


@pytest.mark.data
def test_shards__real_dicom__nothing_burned_in_beside_the_tissue(tmp_path):
    made([real_data("dicom_us")], tmp_path / "out", frames=1)
    found = samples_of(tmp_path / "out")
    assert found
    for sample in found:
        border = np.concatenate([sample.image[:8, :8].ravel(), sample.image[-8:, :8].ravel()])
        assert sample.image.size > 64 * 64
        assert border.max() < 250
    line = json.loads((tmp_path / "out" / "report.jsonl").read_text().splitlines()[1])
    assert {"samples", "left_out", "removed", "sha256"} <= set(line)


def test_read_shard__made_by_somebody_else__png_and_json_are_enough(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for ending, data in (("png", bytes(cv2.imencode(".png", noise(1))[1])), ("json", b"{}")):
            entry = tarfile.TarInfo(f"k.{ending}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    (sample,) = read_shard(tmp_path / "x.tar")
    assert np.array_equal(sample.image, noise(1))
