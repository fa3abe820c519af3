"""Adapters: a task's own change of an encoder that stays as it is."""

from __future__ import annotations

import hashlib

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn

from models.packages import BadAdapter, DamagedWeights, verify
from models.packages.adapters import new_adapter, trainable
from models.packages.weights import adapter_of, encoder_of
from tests.models.built import encoder_package, fresh_encoder, outline_card, outline_package

TARGETS = ("attn.qkv", "attn.proj", "linear1", "linear2", "reduction")  # all linear layers of the encoder
SAME = 1e-9
SEEN = 1e-3


@pytest.fixture(scope="module")
def encoder():
    torch.set_num_threads(1)
    return fresh_encoder()


@pytest.fixture
def image():
    torch.manual_seed(3)
    return torch.randn(2, 3, 64, 64)


def learned(encoder, targets=TARGETS, seed=5):
    """An adapter that changes something."""
    torch.manual_seed(seed)
    adapter = new_adapter(encoder, 2, 4.0, targets)
    with torch.no_grad():
        for name, value in adapter.tensors().items():
            if name.endswith(".up"):
                value.normal_(std=0.05)
    return adapter


def merged(encoder, adapter):
    """The encoder with the change worked into its weights, by the definition."""
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    tensors = adapter.tensors()
    for name, down in tensors.items():
        if name.endswith(".down"):
            path = name.removeprefix("adapter.").removesuffix(".down")
            state[f"{path}.weight"] += 4.0 / 2 * tensors[f"adapter.{path}.up"] @ down
    whole = fresh_encoder(9).double()
    whole.load_state_dict(state)
    return whole


def maps(encoder, image):
    with torch.inference_mode():
        return encoder(image)


def furthest(some, others):
    return max(float((a - b).abs().max()) for a, b in zip(some, others, strict=True))


def test_adapter__applied__gives_what_the_merged_encoder_gives(encoder, image):
    # in float64: in float32 the two orders of summing alone differ by 1e-5 after all layers
    encoder, adapter, image = fresh_encoder().double(), learned(encoder).double(), image.double()
    with adapter.applied(encoder):
        changed = maps(encoder, image)
    assert furthest(changed, maps(merged(encoder, adapter), image)) < SAME
    assert furthest(changed, maps(encoder, image)) > SEEN


def test_adapter__new__changes_nothing(encoder, image):
    with new_adapter(encoder, 4, 8.0, TARGETS).applied(encoder):
        assert furthest(maps(encoder, image), maps(fresh_encoder(), image)) == 0


def test_adapter__no_longer_applied__encoder_is_as_before(encoder, image):
    before = maps(encoder, image)
    weights = {name: value.clone() for name, value in encoder.state_dict().items()}
    with learned(encoder).applied(encoder):
        maps(encoder, image)
    assert furthest(before, maps(encoder, image)) == 0
    assert all(torch.equal(value, weights[name]) for name, value in encoder.state_dict().items())


def test_adapter__pass_fails__encoder_is_as_before(encoder, image):
    before = maps(encoder, image)
    with pytest.raises(RuntimeError), learned(encoder).applied(encoder):
        encoder(torch.zeros(1, 5, 64, 64))
    assert furthest(before, maps(encoder, image)) == 0


def test_adapters__of_two_tasks_in_turn__do_not_mix(encoder, image):
    first, second = learned(encoder, seed=1), learned(encoder, seed=2)
    with first.applied(encoder):
        alone = maps(encoder, image)
    with second.applied(encoder):
        other = maps(encoder, image)
    with first.applied(encoder):
        again = maps(encoder, image)
    assert furthest(alone, again) == 0
    assert furthest(alone, other) > SEEN


@pytest.mark.parametrize(
    "path", [path for path, module in fresh_encoder().named_modules() if isinstance(module, nn.Linear)]
)
def test_adapter__of_one_layer__is_heard(encoder, image, path):
    with learned(encoder, (path,)).applied(encoder):
        changed = maps(encoder, image)
    assert furthest(changed, maps(encoder, image)) > 0


def test_adapter__trained__lowers_the_loss_and_leaves_the_encoder(encoder, image):
    adapter = new_adapter(encoder, 2, 4.0, ("attn.qkv",))
    optimizer = torch.optim.Adam(adapter.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        with adapter.applied(encoder):
            loss = (encoder(image)[4].mean((2, 3)) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_trainable__counts_the_adapter_and_not_the_frozen_encoder(encoder):
    adapter = new_adapter(encoder, 2, 4.0, ("layers1.0.blocks.0.attn.qkv",))
    assert trainable(encoder, adapter, None) == 2 * (24 + 3 * 24)


def test_new_adapter__target_that_is_no_layer__says_what_there_is(encoder):
    with pytest.raises(BadAdapter, match="qkv"):
        new_adapter(encoder, 2, 4.0, ("attention",))


def test_adapter__on_another_encoder__refused(encoder):
    class Other(nn.Module):
        pass

    with pytest.raises(BadAdapter, match="another encoder"), learned(encoder).applied(Other()):
        pass


@pytest.fixture
def packed(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("models.packages.package.BUNDLED", tmp_path / "nothing")
    base = encoder_package(tmp_path / "encoders", encoder)
    return outline_package(tmp_path / "adapted", base, outline_card("adapted"), learned(encoder))


def test_adapter__saved_and_loaded__changes_passes_as_before(encoder, packed, image):
    loaded = adapter_of(verify(packed.path))
    shared = encoder_of(packed.encoder)
    with loaded.applied(shared):
        changed = maps(shared, image)
    assert furthest(changed, maps(shared, image)) > SEEN
    for name, value in learned(encoder).tensors().items():
        assert torch.allclose(value, loaded.tensors()[name], atol=1e-3), name  # stored as float16


def test_adapter__names_its_encoder_and_its_layers_on_the_card(encoder, packed):
    card = yaml.safe_load((packed.path / "card.yaml").read_text())
    assert card["adapter"] == {"kind": "lora", "rank": 2, "alpha": 4.0, "targets": list(TARGETS)}
    assert card["encoder"]["digest"] == packed.encoder.digest


def test_package__without_adapter__has_none(encoder, tmp_path):
    base = encoder_package(tmp_path / "encoders", encoder)
    assert adapter_of(outline_package(tmp_path / "plain", base, outline_card("plain"))) is None


def test_adapter__tensor_missing__verify_names_it(packed):
    name = "adapter.layers1.0.blocks.0.attn.qkv.up"
    file = packed.weights
    tensors = load_file(str(file))
    del tensors[name]
    save_file(tensors, str(file))
    retell(packed.path, weights={"file": file.name, "sha256": digest(file), "precision": "float16"})
    with pytest.raises(DamagedWeights, match=f"missing: {name}"):
        verify(packed.path)


def test_adapter__for_layers_that_the_encoder_lacks__verify_says_so(packed):
    retell(packed.path, adapter={"kind": "lora", "rank": 2, "alpha": 4.0, "targets": ["no.such.layer"]})
    with pytest.raises(DamagedWeights, match=r"no\.such\.layer"):
        verify(packed.path)


def test_adapter__not_on_the_card__verify_finds_tensors_left_over(packed):
    retell(packed.path, adapter=None)
    with pytest.raises(DamagedWeights, match="left over: adapter"):
        verify(packed.path)


def retell(folder, **changes):
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card.update(changes)
    (folder / "card.yaml").write_text(yaml.safe_dump(card))


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()
