"""Which bases LMDeploy's PyTorch engine runs with LoRAs, said before it is started: pure, from the base's config.json.

The lists are those of LMDeploy 0.18.0. Mixtures of experts are left out: their experts are computed together and take
no LoRA, and the server would stop at an assertion. Knows no process and no file.
"""

from typing import NoReturn

from chatroom.engines._lmdeploy.base_config import Config, Quantization
from chatroom.errors import EngineError

ARCHITECTURES = frozenset(
    {
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "GemmaForCausalLM",
        "InternLM2ForCausalLM",
        "InternLM3ForCausalLM",
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Phi3ForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
    }
)


def check_asked(config: Config, base: str, int4: bool) -> None:
    """Refuses what it would not load, and 16 bit where int4 was asked for.

    Raises:
        EngineError: `bad_base`, with what to do.
    """
    arch = next(iter(config.architectures or []), "")
    if arch not in ARCHITECTURES:
        problem = f"its architecture is {arch[:60] or 'not named'}, which takes no LoRA there"
        _refuse(base, problem, "set engine = 'transformers_peft' for the role")
    quantization = config.quantization_config or config.text.quantization_config
    if quantization is None and int4:
        _refuse(
            base, "int4 is asked for and its weights are in 16 bit", "run `launch.py quantize` and use what it made"
        )
    if quantization is not None and (problem := _quantization_problem(quantization)):
        _refuse(base, problem, "use its 16 bit weights, or int4 ones made by AWQ")


def _quantization_problem(made: Quantization) -> str:
    """What its loader would stumble over, or nothing."""
    if made.quant_method in ("fp8", "smooth_quant"):
        return ""
    if made.quant_method != "awq":
        return f"its weights are quantized by {made.quant_method[:40]!r}; awq, fp8 and smooth_quant are loaded"
    if made.version not in ("gemm", None) or made.bits not in (4, None):
        return f"its AWQ weights are {made.bits} bit {str(made.version)[:20]!r}; only 4 bit 'gemm' is loaded"
    return ""


def _refuse(base: str, problem: str, remedy: str) -> NoReturn:
    raise EngineError(f"LMDeploy's PyTorch engine can't run {base}: {problem}; {remedy}", code="bad_base")
