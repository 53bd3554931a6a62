"""What TurboMind can't load, said before it is started: pure, from the base's config.json.

LMDeploy itself only warns and goes on with another engine, or stops with an assertion. The lists below are those of
LMDeploy 0.18.0. Knows no process and no file.
"""

from typing import NoReturn

from chatroom.engines._lmdeploy.base_config import Config, Group, Quantization
from chatroom.errors import EngineError
from chatroom.messages import Adapter

ARCHITECTURES = frozenset(
    {
        "Glm4MoeLiteForCausalLM",
        "GptOssForCausalLM",
        "InternLM2ForCausalLM",
        "InternLM3ForCausalLM",
        "InternS1ForConditionalGeneration",
        "InternS2MobiusForConditionalGeneration",
        "InternS2PreviewForConditionalGeneration",
        "InternVLChatModel",
        "InternVLForConditionalGeneration",
        "LlamaForCausalLM",
        "MixtralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2MoeForCausalLM",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
    }
)
PLAIN_HEADS = frozenset(
    {"LlamaForCausalLM", "InternLM2ForCausalLM", "InternLM3ForCausalLM", "MixtralForCausalLM", "Qwen2ForCausalLM"}
    | {"Qwen2MoeForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM"}
)
HEADS = (64, 128)
"""Head dimensions that the kernels of the plain architectures know."""
GROUPS = {"awq": (128,), "gptq": (128,), "compressed-tensors": (32, 128), "fp8": (128,), "mxfp4": (32,)}
"""Group sizes that are loaded, by the method that made them."""


def check_asked(config: Config, base: str, int4: bool) -> None:
    """Refuses what TurboMind would not load, and 16 bit where int4 was asked for.

    Raises:
        EngineError: `bad_base`, with what to do.
    """
    check_base(config, base)
    if int4:
        check_quantized(config, base)


def check_base(config: Config, base: str) -> None:
    """Refuses what TurboMind would not load, or what LMDeploy would silently hand to another engine.

    Raises:
        EngineError: `bad_base`, with what to do.
    """
    arch = next(iter(config.architectures or []), "")
    if arch not in ARCHITECTURES:
        _refuse(
            base,
            f"its architecture is {arch[:60] or 'not named'}, and LMDeploy would go on with another engine than asked",
            "set engine = 'transformers_peft' for the role",
        )
    head = _head(config)
    if arch in PLAIN_HEADS and head and head not in HEADS:
        _refuse(
            base, f"its heads have {head} dimensions, TurboMind knows 64 and 128", "use engine = 'transformers_peft'"
        )
    quantization = config.quantization_config or config.text.quantization_config
    if quantization is not None and (problem := _quantization_problem(quantization)):
        _refuse(base, problem, "make int4 weights with `launch.py quantize`, or use the 16 bit ones")


def check_quantized(config: Config, base: str) -> None:
    """Refuses weights that are in 16 bit where int4 was asked for.

    Raises:
        EngineError: `bad_base`.
    """
    if (config.quantization_config or config.text.quantization_config) is None:
        _refuse(
            base, "int4 is asked for and its weights are in 16 bit", "run `launch.py quantize` and use what it made"
        )


def refuse_adapter(adapter: Adapter | None) -> None:
    """TurboMind would answer without the adapter and say nothing.

    Raises:
        EngineError: `no_adapter`.
    """
    if adapter is None:
        return
    way = (
        "an activated LoRA can't be merged: set engine = 'transformers_peft', or train an ordinary twin of it"
        if adapter.invocation
        else "make it one with the base by `launch.py merge ROLE` and name that folder as weights"
    )
    raise EngineError(f"TurboMind ignores adapters; {way}", code="no_adapter")


def _refuse(base: str, problem: str, remedy: str) -> NoReturn:
    raise EngineError(f"TurboMind can't run {base}: {problem}; {remedy}", code="bad_base")


def _head(config: Config) -> int:
    text = config.text
    if text.head_dim:
        return text.head_dim
    return (text.hidden_size or 0) // text.num_attention_heads if text.num_attention_heads else 0


def _quantization_problem(made: Quantization) -> str:
    """What TurboMind's loader would stumble over, or nothing."""
    method = made.quant_method
    if method not in GROUPS:
        return f"its quantization is {method[:40]!r}; TurboMind loads {', '.join(GROUPS)}"
    if method == "awq" and made.version != "gemm":
        return f"its AWQ weights are of the kind {str(made.version)[:20]!r}; only 'gemm' is loaded"
    if method == "gptq" and (made.desc_act or not made.sym):
        return "its GPTQ weights are asymmetric or in another order (desc_act); neither is loaded"
    group, problem = made.group_size, ""
    if method in ("awq", "gptq") and made.bits not in (4, None):
        problem = f"its weights have {made.bits} bits; only 4 are loaded"
    if method == "compressed-tensors":
        group, problem = _packed_problem(made.config_groups.get("group_0"))
    if method in ("fp8", "mxfp4"):  # their groups are fixed
        return ""
    if not problem and (group or 128) not in GROUPS[method]:
        problem = f"its groups have {group} weights; {method} is loaded with {' or '.join(map(str, GROUPS[method]))}"
    return problem


def _packed_problem(group: Group | None) -> tuple[int | None, str]:
    """Group size, and what is wrong with how compressed-tensors packed the weights."""
    if group is None or group.weights is None:
        return None, "its quantization_config names no group_0 with weights"
    if group.format != "pack-quantized":
        return None, f"its weights are {str(group.format)[:30]!r}; only 'pack-quantized' is loaded"
    if group.weights.num_bits != 4 or group.weights.type != "int":
        return None, f"its weights are {group.weights.num_bits} bit {group.weights.type[:10]}; only 4 bit int is loaded"
    if not group.weights.group_size or group.weights.group_size < 0:
        return None, "its scales are not by group; only groups of 32 or 128 are loaded"
    return group.weights.group_size, ""
