"""One token computed by our own layers equals one computed by transformers', and bases unknown to us keep theirs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from chatroom.engines.transformers_peft.cache import new_cache
from chatroom.engines.transformers_peft.decoders import Decoder, Plain, agrees, decoder_of
from chatroom.engines.transformers_peft.step import Step

SIZES = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.15,
}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}  # fmt: skip
LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}
YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 128}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 4.0}

KNOWN: dict[str, Any] = {
    "qwen2": Qwen2Config(**SIZES),
    "qwen2 tied": Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SIZES, head_dim=32),
    "llama": LlamaConfig(**SIZES),
    "llama biases": LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True),
    "llama yarn": LlamaConfig(**SIZES, rope_parameters=YARN),
    "llama 3": LlamaConfig(**SIZES, rope_parameters=LLAMA3),
    "llama linear": LlamaConfig(**SIZES, rope_parameters=LINEAR),
    "llama one key": LlamaConfig(**SIZES | {"num_key_value_heads": 1}),
    "qwen3 wide heads and biases": Qwen3Config(**SIZES, head_dim=48, attention_bias=True),
    "mistral": MistralConfig(**SIZES, sliding_window=None),
    "mistral wide heads": MistralConfig(**SIZES | {"num_key_value_heads": 4}, sliding_window=512, head_dim=32),
    "small vocabulary": LlamaConfig(**SIZES | {"vocab_size": 16}),
}
OTHER: dict[str, Any] = {
    "windowed": MistralConfig(**SIZES, sliding_window=64),
    "gelu": LlamaConfig(**SIZES, hidden_act="gelu"),
    "gemma": Gemma2Config(**SIZES, head_dim=16),
    "dynamic positions": LlamaConfig(**SIZES, rope_parameters=DYNAMIC),
}
CLOSE = 1e-4


def random_base(config: Any, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    torch.manual_seed(1)
    base: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    for name, weight in base.named_parameters():
        if name.endswith(("bias", "norm.weight")):
            torch.nn.init.normal_(weight, mean=0.5, std=0.3)
    return base


def said(decoder: Decoder, base: PreTrainedModel) -> torch.Tensor:
    """Logits of ten tokens decoded one by one behind a prompt, (10, V)."""
    cache, known = new_cache(base.config, 256), base.config.vocab_size
    with torch.inference_mode():
        base(input_ids=torch.tensor([range(3, 33)]) % known, past_key_values=cache, use_cache=True)
        return torch.cat([decoder(torch.tensor([[token % known]]), cache) for token in range(10, 20)]).float()


@pytest.mark.parametrize("kind", KNOWN)
def test_step_equals_the_layers_of_transformers(kind: str) -> None:
    base = random_base(KNOWN[kind])
    wanted = said(Plain(base), base)
    decoder = decoder_of(base, 256)
    assert isinstance(decoder, Step)
    assert (said(decoder, base) - wanted).abs().max() < CLOSE
    assert (said(Plain(base), base) - wanted).abs().max() < CLOSE


@pytest.mark.parametrize("kind", OTHER)
def test_other_bases_keep_their_layers(kind: str) -> None:
    base = random_base(OTHER[kind])
    decoder = decoder_of(base, 256)
    assert isinstance(decoder, Plain)
    assert torch.equal(said(decoder, base), said(Plain(base), base))


def test_sixteen_bit_step_is_as_exact() -> None:
    exact, half = (random_base(KNOWN["qwen2"], dtype) for dtype in (torch.float32, torch.bfloat16))
    exact.load_state_dict({name: weight.float() for name, weight in half.state_dict().items()})
    wanted, plain = said(Plain(exact), exact), said(Plain(half), half)
    ours = said(decoder_of(half, 256), half)
    assert (ours - wanted).std() < 1.2 * (plain - wanted).std()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_wrong_formula_is_noticed(dtype: torch.dtype) -> None:
    base = random_base(KNOWN["llama"], dtype)
    step = Step(base)
    assert agrees(step, base, 256)
    for layer in step.layers:
        layer.scaling *= 3
    assert not agrees(step, base, 256)


def test_slightly_wrong_formula_is_noticed_in_float32() -> None:
    base = random_base(KNOWN["llama"])
    step = Step(base)
    for norm in [layer.before for layer in step.layers]:
        norm.epsilon += 0.01
    assert not agrees(step, base, 256)


def test_step_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    base = random_base(KNOWN["llama"])
    step = Step(base)
    ours, theirs = ({weight.untyped_storage().data_ptr() for weight in each.parameters()} for each in (step, base))
    assert ours <= theirs
    assert sum(weight.untyped_storage().nbytes() for weight in unique(base)) == sum(
        weight.nbytes for weight in base.parameters()
    )


def unique(base: PreTrainedModel) -> list[torch.Tensor]:
    """One of the weights that lie in each piece of memory."""
    return list({weight.untyped_storage().data_ptr(): weight for weight in base.parameters()}.values())
