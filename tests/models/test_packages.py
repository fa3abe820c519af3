"""Packages: whole ones are found, others refused with the reason, and tasks share what they share."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from models.packages import (
    CardError,
    DamagedWeights,
    MissingEncoder,
    NewerSchema,
    UnknownEncoder,
    discover,
    inventory,
    load_encoder,
    load_package,
    verify,
)
from models.packages.weights import encoder_of, heads_of
from tests.models.built import NON_COMMERCIAL, encoder_package, fresh_encoder, outline_card, outline_package


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("packages")
    encoder = encoder_package(root / "encoders")
    outline_package(root / "fetal-head", encoder, outline_card())
    return root


@pytest.fixture
def site(built, tmp_path, monkeypatch):
    """A site's folder with an encoder and a task on it; nothing is bundled."""
    monkeypatch.setattr("models.packages.package.BUNDLED", tmp_path / "nothing")
    return Path(shutil.copytree(built, tmp_path / "site"))


def task(site):
    return site / "fetal-head"


def encoder_folder(site):
    (folder,) = (site / "encoders").iterdir()
    return folder


def rewrite(folder, card="card.yaml", **changes):
    table = yaml.safe_load((folder / card).read_text())
    table.update(changes)
    (folder / card).write_text(yaml.safe_dump(table))


def change_weights(folder, change, card="card.yaml"):
    """Change tensors and let the card name the new file's digest, as someone careless would."""
    file = folder / "weights.safetensors"
    tensors = load_file(str(file))
    change(tensors)
    save_file(tensors, str(file))
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    rewrite(folder, card, weights={"file": file.name, "sha256": found, "precision": "float16"})


def flip_a_byte(file):
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def test_package__whole__verifies_and_tells_its_encoder(site):
    package = verify(task(site))
    assert package.identity.task == "fetal-head"
    assert package.identity.encoder_digest == package.encoder.digest
    assert package.encoder.path == encoder_folder(site)


def test_package__holds_the_heads_alone__small_and_without_prefix(site):
    names = load_file(str(task(site) / "weights.safetensors")).keys()
    assert {name.partition(".")[0] for name in names} == {"head", "scope"}


def test_encoder_folder__is_named_by_architecture_and_digest(site):
    encoder = load_encoder(encoder_folder(site))
    assert encoder.path.name == f"echocare_tiny-{encoder.digest.removeprefix('sha256:')[:12]}"


def test_encoder__written_again__stays_as_it_is(site):
    before = (encoder_folder(site) / "encoder.yaml").stat().st_mtime_ns
    again = encoder_package(site / "encoders", data=NON_COMMERCIAL)
    assert again.path == encoder_folder(site)
    assert (again.path / "encoder.yaml").stat().st_mtime_ns == before


def test_encoder__damaged_and_written_again__is_whole(site):
    flip_a_byte(encoder_folder(site) / "weights.safetensors")
    encoder_package(site / "encoders")
    assert verify(task(site)).identity.task == "fetal-head"


def test_networks__loaded__answer_as_those_that_were_written(site):
    torch.set_num_threads(1)
    package = load_package(task(site))
    encoder, heads = encoder_of(package.encoder), heads_of(package)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        wanted, found = fresh_encoder()(image), encoder(image)
        answers = heads(image, found)
    for one, other in zip(wanted, found, strict=True):
        assert torch.allclose(one, other, atol=0.05)  # stored as float16
    assert answers["mask"].shape == (1, 1, 64, 64)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_discover__two_tasks_on_one_encoder__share_it(site):
    outline_package(site / "other", load_encoder(encoder_folder(site)), outline_card("other"))
    packages, refusals = discover([site])
    assert refusals == ()
    assert [package.identity.task for package in packages] == ["fetal-head", "other"]
    assert packages[0].encoder is packages[1].encoder


def test_discover__encoder_beside_the_tasks__is_found(site):
    shutil.move(encoder_folder(site), site / "my-encoder")
    assert [package.identity.task for package in discover([site])[0]] == ["fetal-head"]


def test_discover__encoder_in_another_package_folder__is_found(site, tmp_path):
    shutil.move(encoder_folder(site), tmp_path / "elsewhere" / "an-encoder")
    packages, refusals = discover([site, tmp_path / "elsewhere"])
    assert [package.identity.task for package in packages] == ["fetal-head"]
    assert refusals == ()


def test_discover__encoder_missing__package_is_refused_with_its_digest(site):
    digest = load_encoder(encoder_folder(site)).digest
    shutil.rmtree(encoder_folder(site))
    packages, (refusal,) = discover([site])
    assert packages == ()
    assert refusal.code == "package-missing-encoder"
    assert digest in refusal.reason


def test_discover__encoder_of_another_digest__refusal_names_both(site):
    wanted = load_encoder(encoder_folder(site)).digest
    shutil.rmtree(encoder_folder(site))
    other = encoder_package(site / "encoders", fresh_encoder(1))
    _, (refusal,) = discover([site])
    assert wanted in refusal.reason
    assert other.digest in refusal.reason


def test_discover__encoder_damaged__refused_and_so_is_the_package_that_needs_it(site):
    flip_a_byte(encoder_folder(site) / "weights.safetensors")
    packages, refusals = discover([site])
    assert packages == ()
    assert {refusal.code for refusal in refusals} == {"package-damaged-weights", "package-missing-encoder"}
    assert all("copy again" in refusal.reason for refusal in refusals)


def test_discover__damaged_package__refused_and_the_others_stand(site):
    outline_package(site / "other", load_encoder(encoder_folder(site)), outline_card("other"))
    (task(site) / "card.yaml").write_text("schema: [")
    packages, (refusal,) = discover([site])
    assert [package.identity.task for package in packages] == ["other"]
    assert refusal.code == "package-card"
    assert str(task(site)) in refusal.reason


def test_discover__folder_that_may_not_be_looked_into__is_told_and_the_others_stand(site, monkeypatch):
    (site / "a-closed-one").mkdir()
    exists = Path.exists

    def forbidding(self, **how):
        if self.parent.name == "a-closed-one":
            raise PermissionError(13, "Permission denied")
        return exists(self, **how)

    monkeypatch.setattr(Path, "exists", forbidding)  # root may look into everything, so no file mode would do
    packages, (refusal,) = discover([site])
    assert [package.identity.task for package in packages] == ["fetal-head"]
    assert "cannot be looked into" in refusal.reason


def test_discover__card_with_a_date_that_is_none__is_refused(site):
    card = task(site) / "card.yaml"
    card.write_text(card.read_text().replace("version: 0.0.1", "version: 2026-99-99"))
    _, (refusal,) = discover([site])
    assert refusal.code == "package-card"


def test_discover__folder_without_a_card__is_told(site):
    (site / "photos").mkdir()
    packages, (refusal,) = discover([site])
    assert len(packages) == 1
    assert "photos" in refusal.reason


def test_discover__folder_that_is_not_there__holds_nothing(site, tmp_path):
    assert discover([tmp_path / "none"]) == ((), ())


def test_inventory__later_package_of_the_same_task__stands_and_the_other_is_told(site, tmp_path):
    encoder = load_encoder(encoder_folder(site))
    shutil.copytree(site / "encoders", tmp_path / "later" / "encoders")
    outline_package(tmp_path / "later" / "fetal-head", encoder, outline_card(version="9.9.9"))
    found = inventory([site, tmp_path / "later"])
    assert [package.identity.version for package in found.packages] == ["9.9.9"]
    assert [package.identity.version for package in found.replaced] == ["0.0.1"]
    assert len(found.encoders) == 1


def test_package__trained_on_non_commercial_data__says_so(site):
    encoder = load_encoder(encoder_folder(site))
    card = outline_card("other")
    card = card.model_copy(update={"training": card.training.model_copy(update={"data": (NON_COMMERCIAL,)})})
    assert outline_package(site / "other", encoder, card).use == "non-commercial"
    assert load_package(task(site)).use == "permissive"


def test_package__on_an_encoder_trained_on_non_commercial_data__says_so(site):
    encoder = encoder_package(site / "encoders", fresh_encoder(1), data=NON_COMMERCIAL)
    assert outline_package(site / "other", encoder, outline_card("other")).use == "non-commercial"


def test_weights__one_byte_changed__refused(site):
    flip_a_byte(task(site) / "weights.safetensors")
    with pytest.raises(DamagedWeights, match="digest"):
        load_package(task(site))


def test_weights__missing__refused(site):
    (task(site) / "weights.safetensors").unlink()
    with pytest.raises(DamagedWeights):
        load_package(task(site))


def test_weights__a_tensor_missing__verify_names_it(site):
    change_weights(task(site), lambda tensors: tensors.pop("head.segment.out.bias"))
    load_package(task(site))
    with pytest.raises(DamagedWeights, match=r"missing: head\.segment\.out\.bias"):
        verify(task(site))


def test_weights__a_tensor_too_many__verify_names_it(site):
    change_weights(task(site), lambda tensors: tensors.update({"head.extra": torch.zeros(1, dtype=torch.float16)}))
    with pytest.raises(DamagedWeights, match=r"left over: head\.extra"):
        verify(task(site))


def test_weights__a_tensor_of_another_shape__verify_names_it(site):
    change_weights(
        task(site), lambda tensors: tensors.update({"head.segment.out.bias": torch.zeros(2, dtype=torch.float16)})
    )
    with pytest.raises(DamagedWeights, match=r"head\.segment\.out\.bias \(2,\) instead of \(1,\)"):
        verify(task(site))


def test_weights__a_number_not_finite__verify_names_the_tensor(site):
    change_weights(task(site), lambda tensors: tensors["head.segment.out.bias"].fill_(float("nan")))
    with pytest.raises(DamagedWeights, match=r"not finite, in head\.segment\.out\.bias"):
        verify(task(site))


def test_weights__of_another_precision__verify_says_so(site):
    change_weights(task(site), lambda tensors: tensors.update({"scope.layers.0.bias": torch.zeros(48)}))
    with pytest.raises(DamagedWeights, match=r"float16.*scope\.layers\.0\.bias"):
        verify(task(site))


def test_encoder__one_number_changed_and_its_file_digest_with_it__verify_finds_it(site):
    change_weights(encoder_folder(site), lambda tensors: tensors["patch_embed.proj.bias"].add_(1), "encoder.yaml")
    load_package(task(site))
    with pytest.raises(DamagedWeights, match="digest"):
        verify(task(site))


@pytest.mark.parametrize("card", ["card.yaml", "encoder.yaml"])
def test_card__newer_schema__refused(site, card):
    folder = task(site) if card == "card.yaml" else encoder_folder(site)
    rewrite(folder, card, schema=2)
    with pytest.raises(NewerSchema, match="update"):
        (load_package if card == "card.yaml" else load_encoder)(folder)


def test_card__unknown_key__named(site):
    rewrite(task(site), colour="red")
    with pytest.raises(CardError, match="colour"):
        load_package(task(site))


def test_card__unknown_architecture__refused(site):
    rewrite(task(site), encoder={"name": "resnet", "digest": "sha256:" + "0" * 64})
    with pytest.raises(UnknownEncoder, match="echocare_tiny"):
        load_package(task(site))


def test_card__encoder_that_nobody_has__refused(site):
    rewrite(task(site), encoder={"name": "echocare_tiny", "digest": "sha256:" + "0" * 64})
    with pytest.raises(MissingEncoder, match="copy that encoder"):
        load_package(task(site))


def test_card__architecture_and_digest_disagree__refused(site):
    digest = load_encoder(encoder_folder(site)).digest
    rewrite(task(site), encoder={"name": "echocare_small", "digest": digest})
    with pytest.raises(CardError, match="echocare_small"):
        load_package(task(site))


@pytest.mark.parametrize("card", ["card.yaml", "encoder.yaml"])
def test_card__weights_outside_the_folder__refused(site, card):
    folder = task(site) if card == "card.yaml" else encoder_folder(site)
    rewrite(folder, card, weights={"file": "../other.safetensors", "sha256": "0" * 64, "precision": "float16"})
    with pytest.raises(CardError, match="outside"):
        (load_package if card == "card.yaml" else load_encoder)(folder)


def test_card__any_word_changed__another_digest(site):
    before = load_package(task(site)).identity.digest
    rewrite(task(site), title="Another title")
    assert load_package(task(site)).identity.digest != before


def test_card__trial__is_part_of_the_identity_and_without_one_the_identity_is_as_before():
    plain, trial = outline_card(), outline_card(trial="Dice 0.45")
    assert not {"trial", "headline"} & set(json.loads(plain.canonical()))
    assert plain.digest() != trial.digest()
