"""What LMDeploy is started with, what it is never started for, and what its stream says."""

import json
from typing import Any

import pytest

from chatroom.engines._lmdeploy.base_config import read_config
from chatroom.engines._lmdeploy.command import OURS, Launch, cache_share, command_line
from chatroom.engines._lmdeploy.frames import TurnRefusedError, read_frame
from chatroom.engines.turbomind.checks import check_base, check_quantized
from chatroom.errors import EngineError
from tests.stand_in.lmdeploy import arguments

LAUNCH = Launch(
    command=("/opt/lm/bin/lmdeploy",),
    base="/models/qwen",
    name="qwen-1",
    port=23401,
    key="secret",
    context=8192,
    cache_share=0.25,
)
QWEN = {"architectures": ["Qwen2ForCausalLM"], "hidden_size": 896, "num_attention_heads": 14}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": False}
WEIGHTS = {"num_bits": 4, "type": "int", "group_size": 128, "symmetric": True, "strategy": "group"}
PACKED = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"format": "pack-quantized", "weights": WEIGHTS}},
}


def packed(**changed: Any) -> dict[str, Any]:
    group = {"format": "pack-quantized", "weights": WEIGHTS | changed}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}


def check(**changed: Any) -> None:
    check_base(read_config(json.dumps(QWEN | changed).encode(), "models/qwen"), "models/qwen")


def test_command_line_is_exactly_this() -> None:
    assert " ".join(command_line(LAUNCH)) == (
        "/opt/lm/bin/lmdeploy serve api_server /models/qwen --backend turbomind --model-name qwen-1 "
        "--server-name 127.0.0.1 --server-port 23401 --api-keys secret --session-len 8192 --max-batch-size 16 "
        "--dtype auto --cache-block-seq-len 64 --enable-prefix-caching --cache-max-entry-count 0.250000 "
        "--generation-config lmdeploy --enable-abort-handling --disable-fastapi-docs --log-level WARNING"
    )


def test_lmdeploy_knows_every_flag() -> None:
    chosen = arguments(command_line(LAUNCH)[1:])
    assert (chosen.model_name, chosen.api_keys, chosen.server_name) == ("qwen-1", ["secret"], "127.0.0.1")
    assert chosen.enable_prefix_caching
    assert chosen.enable_abort_handling


def test_own_flags_come_last() -> None:
    line = command_line(
        Launch(**{name: getattr(LAUNCH, name) for name in LAUNCH.__struct_fields__} | {"flags": ("--tp", "2")})
    )
    assert line[-2:] == ("--tp", "2")


@pytest.mark.parametrize(
    "flag", [*OURS, "--server-name=0.0.0.0", "--server_name", "--api", "--backend=pytorch", "--trust"]
)
def test_flag_that_opens_it_is_refused(flag: str) -> None:
    with pytest.raises(EngineError, match="lmdeploy_flags"):
        command_line(
            Launch(**{name: getattr(LAUNCH, name) for name in LAUNCH.__struct_fields__} | {"flags": (flag, "x")})
        )


@pytest.mark.parametrize(
    ("cache", "free", "weights", "share"),
    [
        (0, 8, 4, 0.0),
        (1 << 30, 9 << 30, 1 << 30, 0.133333),
        (1 << 20, 80 << 30, 0, 0.000012),
        (1 << 30, 4 << 30, 2 << 30, 0.666666),
    ],
)
def test_share_gives_the_wanted_cache(cache: int, free: int, weights: int, share: float) -> None:
    assert cache_share(cache, free, weights) == share


@pytest.mark.parametrize(("free", "weights"), [(2, 3), (3, 2), (4, 3)])
def test_cache_beyond_free_memory_is_refused(free: int, weights: int) -> None:
    with pytest.raises(EngineError, match=f"{free}.00 GiB are free, the weights take {weights}.00 GiB"):
        cache_share(1 << 30, free << 30, weights << 30)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"quantization_config": AWQ},
        {"quantization_config": GPTQ},
        {"quantization_config": PACKED},
        {"quantization_config": packed(group_size=32)},
        {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}},
        {"architectures": ["LlamaForCausalLM"], "head_dim": 128},
        {"architectures": ["Qwen3_5ForConditionalGeneration"], "text_config": {"head_dim": 256}},
    ],
)
def test_what_turbomind_loads_is_let_in(config: dict[str, Any]) -> None:
    check(**config)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architectures": ["MistralForCausalLM"]}, "MistralForCausalLM"),
        ({"architectures": ["Gemma2ForCausalLM"]}, "Gemma2ForCausalLM"),
        ({"architectures": []}, "not named"),
        ({"architectures": None}, "not named"),
        ({"head_dim": 80}, "80 dimensions"),
        ({"hidden_size": 320}, "22 dimensions"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
        ({"quantization_config": {"quant_method": "smooth_quant"}}, "smooth_quant"),
        ({"quantization_config": AWQ | {"group_size": 64}}, "groups have 64"),
        ({"quantization_config": AWQ | {"version": "gemv"}}, "gemv"),
        ({"quantization_config": AWQ | {"bits": 8}}, "8 bits"),
        ({"quantization_config": GPTQ | {"desc_act": True}}, "desc_act"),
        ({"quantization_config": GPTQ | {"sym": False}}, "asymmetric"),
        ({"quantization_config": GPTQ | {"group_size": -1}}, "groups have -1"),
        ({"quantization_config": packed(group_size=64)}, "groups have 64"),
        ({"quantization_config": packed(num_bits=8)}, "8 bit int"),
        ({"quantization_config": packed(type="float")}, "4 bit float"),
        ({"quantization_config": packed(group_size=None)}, "not by group"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "group_0"),
        ({"text_config": {"quantization_config": AWQ | {"group_size": 32}}}, "groups have 32"),
    ],
)
def test_what_it_can_not_load_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words) as raised:
        check(**config)
    assert raised.value.code == "bad_base"
    assert "models/qwen" in str(raised.value)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"architectures": 5}', b"[" * 9999, b"\xff", b'{"text_config": {"head_dim": "x"}}']
)
def test_broken_config_is_a_clear_error(raw: bytes) -> None:
    with pytest.raises(EngineError, match=r"models/x/config\.json can't be read"):
        read_config(raw, "models/x")


def test_int4_asked_for_must_be_int4() -> None:
    with pytest.raises(EngineError, match="quantize"):
        check_quantized(read_config(json.dumps(QWEN).encode(), "x"), "x")
    check_quantized(read_config(json.dumps(QWEN | {"quantization_config": AWQ}).encode(), "x"), "x")


def test_frame_tells_ids_end_and_usage() -> None:
    going = read_frame(
        b'{"choices": [{"index": 0, "delta": {"content": "a"}, "output_ids": [5, 6], "finish_reason": null}]}'
    )
    assert (going.ids, going.finish, going.usage) == ([5, 6], "", None)
    last = read_frame(
        b'{"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 2, "total_tokens": 72,'
        b' "prompt_tokens_details": {"cached_tokens": 64}}}'
    )
    assert last.usage is not None
    assert (last.usage.prompt, last.usage.cached, last.usage.reply) == (70, 64, 2)


def test_error_within_stream_is_no_reply() -> None:
    with pytest.raises(TurnRefusedError, match="unavailable"):
        read_frame(
            b'{"error": {"message": "The inference engine is unavailable.", "type": "server_error", "code": 503}}'
        )


@pytest.mark.parametrize("event", [b"", b"null", b"[1]", b'{"choices": [{"output_ids": ["a"]}]}', b"[" * 99999])
def test_other_events_are_refused(event: bytes) -> None:
    with pytest.raises(ValueError, match="no event"):
        read_frame(event)
