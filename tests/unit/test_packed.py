"""int4 in files: what was packed is unpacked, layer by layer, and damage is named."""

from pathlib import Path

import pytest

from tests.tiny import make_base  # isort: skip  # it sets the number of threads before torch is loaded

import torch
from safetensors.torch import load_file, save_file

from finetune.errors import WorkshopError
from quantize.job import Job, Recipe
from quantize.methods.base import quantized
from quantize.methods.rtn import rounded
from quantize.packed import awq, compressed
from quantize.packed.layers import blocks, groups_that_fit, linear_layers
from quantize.packed.nibbles import pack, unpack
from quantize.packed.reading import dequantized, stored


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "base", num_hidden_layers=2)


def made(tmp_path: Path, base: Path, *keep: str) -> Path:
    recipe = Recipe(method="rtn", group=32, keep=keep)
    job = Job(
        source=base, out=tmp_path / "out", recipe=recipe, tokens=tmp_path, log=tmp_path / "log", home=tmp_path
    )  # fmt: skip
    return quantized(job, lambda text: None)


def test_packed_numbers_come_back() -> None:
    numbers = torch.randint(0, 16, (5, 64), generator=torch.Generator().manual_seed(0))
    assert pack(numbers).shape == (5, 8)
    assert torch.equal(unpack(pack(numbers)), numbers.to(torch.uint8))


def test_first_number_lies_in_lowest_bits() -> None:
    assert pack(torch.tensor([[1, 2, 0, 0, 0, 0, 0, 15]])).tolist() == [[0x21 - 0x10000000]]


def test_compressed_layer_comes_back() -> None:
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(0))
    numbers, scales = rounded(weight, 32, torch.float16)
    back = compressed.unpacked("x", compressed.packed("x", numbers, scales))
    assert torch.equal(back, (numbers.float().unflatten(1, (2, 32)) * scales.float()[..., None]).flatten(1))
    assert (back - weight).abs().max() < scales.float().max() * 2.2  # clipping may cost the largest a step or two


def test_awq_layer_is_read_in_its_order() -> None:
    numbers = torch.arange(16).repeat(4, 1)  # (in 4, out 16)
    lanes = [0, 2, 4, 6, 1, 3, 5, 7]
    shuffled = numbers.unflatten(1, (2, 8))[..., lanes].flatten(1)
    tensors = {
        "x.qweight": pack(shuffled),
        "x.qzeros": pack(torch.full((2, 16), 3)),
        "x.scales": torch.full((2, 16), 0.5, dtype=torch.float16),
    }
    assert torch.equal(awq.unpacked("x", tensors), (numbers.float() - 3).T / 2)


def test_quantized_folder_has_every_weight(tmp_path: Path, base: Path) -> None:
    source, back = stored(base), dequantized(made(tmp_path, base))
    assert set(back) == set(source)
    for name, tensor in source.items():
        rounding = 0.06 if f"{name.removesuffix('.weight')}" in linear_layers(base) else 0.001
        assert (back[name].float() - tensor.float()).norm() <= rounding * 2 * tensor.float().norm(), name


def test_kept_modules_stay_as_they_are(tmp_path: Path, base: Path) -> None:
    tensors = load_file(made(tmp_path, base, "model.layers.0.mlp") / "model.safetensors")
    assert "model.layers.0.mlp.up_proj.weight" in tensors
    assert "model.layers.0.self_attn.q_proj.weight_packed" in tensors
    assert "model.layers.1.mlp.up_proj.weight_packed" in tensors


def test_head_and_embeddings_stay_in_half(tmp_path: Path, base: Path) -> None:
    tensors = load_file(made(tmp_path, base) / "model.safetensors")
    assert tensors["lm_head.weight"].dtype == tensors["model.embed_tokens.weight"].dtype == torch.float16
    assert all(tensor.dtype != torch.float32 for tensor in tensors.values())


def test_group_must_divide_the_rows(tmp_path: Path, base: Path) -> None:
    assert groups_that_fit(base, (128, 32)) == [32]
    job = Job(source=base, out=tmp_path / "out", recipe=Recipe(method="rtn"), tokens=base, log=base, home=base)
    with pytest.raises(WorkshopError, match="groups of 128 don't divide"):
        quantized(job, lambda text: None)


def test_blocks_are_whole_attentions_and_mlps(base: Path) -> None:
    assert set(blocks(base)) == {f"model.layers.{at}.{part}" for at in (0, 1) for part in ("self_attn", "mlp")}


def test_missing_scales_are_named(tmp_path: Path, base: Path) -> None:
    path = made(tmp_path, base) / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.1.mlp.up_proj.weight_scale"]
    save_file(tensors, path)
    with pytest.raises(WorkshopError, match=r"layers\.1\.mlp\.up_proj\.weight_scale is missing"):
        dequantized(path.parent)


def test_weights_in_half_are_no_int4(base: Path) -> None:
    with pytest.raises(WorkshopError, match="16 bit"):
        dequantized(base)
