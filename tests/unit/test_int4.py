"""Layers of four bits: what they compute, what stays as it was, and what is said of layers that don't fit."""

import logging
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from chatroom.engines.transformers_peft.int4 import Int4Linear, fitting_group, linears, pack, packed_bytes, rounded
from tests.tiny import make_base


def linear(inputs: int, outputs: int, *, bias: bool = False) -> torch.nn.Linear:
    torch.manual_seed(3)
    return torch.nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)


def dequantized(layer: torch.nn.Linear, group: int) -> torch.Tensor:
    digits, scales = rounded(layer.weight, group)
    scale, zero = scales.float().unbind(-1)
    each = (digits.view(layer.out_features, -1, group) - 8) * scale[..., None] + zero[..., None]
    return each.view_as(layer.weight)


@pytest.mark.parametrize("group", [32, 64, 128])
@pytest.mark.parametrize("positions", [1, 7])
def test_product_equals_the_dequantized_one(group: int, positions: int) -> None:
    layer = linear(256, 48, bias=True)
    inputs = torch.randn(positions, 256).bfloat16()
    wanted = inputs.float() @ dequantized(layer, group).T + layer.bias
    got = Int4Linear(layer, group)(inputs).float()
    assert (got - wanted).abs().max() < 0.02 * wanted.abs().max()


def test_digits_are_the_nearest_ones() -> None:
    layer = linear(128, 32)
    _, scales = rounded(layer.weight, 64)
    step = scales[..., 0].float().repeat_interleave(64, 1)
    assert ((dequantized(layer, 64) - layer.weight).abs() <= 0.6 * step).all()


def test_equal_weights_survive_the_rounding() -> None:
    layer = linear(64, 16)
    layer.weight.fill_(0.25)
    assert torch.allclose(dequantized(layer, 64), layer.weight, atol=1e-4)


def test_output_has_the_type_of_input() -> None:
    layer = Int4Linear(linear(64, 16), 32)
    apart = torch.randn(64, 3).T  # its rows lie apart in memory
    assert layer(apart).dtype == torch.float32
    assert layer(apart.bfloat16()).dtype == torch.bfloat16
    assert torch.equal(layer(apart), layer(apart.contiguous()))
    assert layer(torch.randn(2, 5, 64)).shape == (2, 5, 16)


def test_embeddings_and_head_stay(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(make_base(tmp_path / "base"), dtype=torch.bfloat16).eval()
    pack(model, 32)
    assert type(model.lm_head) is torch.nn.Linear
    assert type(model.model.embed_tokens) is torch.nn.Embedding
    assert not linears(model)
    assert sum(isinstance(module, Int4Linear) for module in model.modules()) == 7 * len(model.model.layers)


def test_packed_model_says_nearly_the_same(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", hidden_size=128, initializer_range=0.05)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).eval()
    ids = torch.tensor([list(range(5, 60))])
    with torch.inference_mode():
        wanted = model(input_ids=ids).logits[0].float()
        pack(model)
        got = model(input_ids=ids).logits[0].float()
    assert 0 < (got - wanted).std() < 0.3 * wanted.std()


def test_smaller_groups_where_sizes_ask() -> None:
    assert [fitting_group(linear(size, 16), 128) for size in (256, 192, 96, 40)] == [128, 64, 32, 0]
    assert fitting_group(linear(256, 24), 64) == 0
    assert fitting_group(linear(256, 16), 64) == 64


def test_layers_that_fit_nothing_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = AutoModelForCausalLM.from_pretrained(make_base(tmp_path / "base", intermediate_size=120)).eval()
    ids = torch.tensor([[5, 6, 7]])
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        pack(model)
        assert model(input_ids=ids).logits.isfinite().all()
    assert set(linears(model)) == {
        f"model.layers.{layer}.mlp.{name}_proj" for layer in range(3) for name in ("gate", "up", "down")
    }
    assert "9 layers stay as they are" in caplog.text
    assert "model.layers.0.mlp.gate_proj" in caplog.text


def test_unknown_group_is_clear_error(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(make_base(tmp_path / "base"))
    with pytest.raises(ValueError, match="48 weights is not known; there are 32, 64, 128"):
        pack(model, 48)


def test_bytes_are_told_beforehand() -> None:
    layer = linear(256, 64)
    packed = Int4Linear(layer, 64)
    assert packed_bytes(layer, 64) == packed.packed.nbytes + packed.scales.nbytes
