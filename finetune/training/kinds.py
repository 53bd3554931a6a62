"""The kinds of training: an ordinary LoRA, one that is activated at the tail, a LoRA over 4 bits, or all weights.

Each gives a model of PEFT or transformers that is ready to be trained. It knows no data and no loop.
"""

import os
import warnings
from pathlib import Path
from typing import Literal, Protocol, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, PreTrainedModel
from transformers.utils.import_utils import is_bitsandbytes_available

from chatroom.chat_template import ASIDE
from finetune.dataset.render import is_ours
from finetune.errors import WorkshopError
from finetune.training.recipe import Recipe

Kind = Literal["lora", "alora", "qlora", "full"]
KINDS: tuple[Kind, ...] = ("lora", "alora", "qlora", "full")

SPARE = ("reserved_special", "unused", "<|extra_", "<|switch|>")
"""What tokenizers call tokens that they keep free."""
WRITTEN = "\n(aside)\n"
"""What opens a tail where a tokenizer keeps no token free."""


class Tokenizer(Protocol):
    """The part of a tokenizer that training uses."""

    added_tokens_decoder: dict[int, object]
    pad_token_id: int | None
    eos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def decode(self, token_ids: list[int]) -> str: ...


def invocation_of(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids that open a tail and switch an activated LoRA on: `<|aside|>`, else a free token, else a written word."""
    added = {str(token): id_ for id_, token in tokenizer.added_tokens_decoder.items()}
    spare = [name for name in sorted(added, key=lambda name: added[name]) if any(part in name for part in SPARE)]
    for name in (ASIDE, *spare):
        if name in added:
            return (added[name],)
    return tuple(tokenizer.encode(WRITTEN, add_special_tokens=False))


def invocation_for(base: Path, kind: Kind) -> tuple[int, ...]:
    """What opens the tails of a kind's examples; empty where the layout of the base says it by itself, or nobody."""
    if kind != "alora" or is_ours(base):
        return ()
    return invocation_of(load_tokenizer(base))


def load_tokenizer(base: Path) -> Tokenizer:
    """The tokenizer of a base."""
    return cast(Tokenizer, AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False))


def load_base(base: Path, kind: Kind = "lora") -> PreTrainedModel:
    """Loads a base to be trained: in float32 on a CPU and where all weights learn, in bfloat16 or 4 bits on a GPU.

    Raises:
        WorkshopError: It can't be loaded here.
    """
    if not (base / "config.json").is_file():
        raise WorkshopError(str(base), "there is no base in this folder", "name one with --base, as models/hearth")
    small = torch.cuda.is_available() and kind != "full"
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=torch.bfloat16 if small else torch.float32,
            quantization_config=_four_bits() if kind == "qlora" else None,
            device_map={"": device()} if kind == "qlora" else None,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError) as error:
        raise WorkshopError(
            str(base), f"it can't be loaded: {error}", "python launch.py role check names faults"
        ) from None
    return model if kind == "qlora" else cast(PreTrainedModel, model.to(device()))


def device() -> torch.device:
    """Where this process computes: its own GPU, or the CPU."""
    return (
        torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if torch.cuda.is_available()
        else torch.device("cpu")
    )


def _four_bits() -> BitsAndBytesConfig:
    if not torch.cuda.is_available():
        raise WorkshopError("--kind qlora", "there is no CUDA device here", "train --kind lora")
    if not is_bitsandbytes_available():
        raise WorkshopError("--kind qlora", "bitsandbytes is not installed", "pip install bitsandbytes")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def ready(base: Path, kind: Kind, recipe: Recipe) -> PreTrainedModel:
    """The base as a kind trains it: with a fresh adapter on every linear layer, or as it is."""
    torch.manual_seed(recipe.seed)
    model = load_base(base, kind)
    if kind == "full":
        return model
    if kind == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=recipe.gradient_checkpointing)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        task_type="CAUSAL_LM",
        target_modules="all-linear",
        alora_invocation_tokens=_invoked_by(base) if kind == "alora" else None,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT's, of transformers
        adapted = get_peft_model(model, config)
    if recipe.gradient_checkpointing:
        adapted.enable_input_require_grads()
    return cast(PreTrainedModel, adapted)


def with_adapter(base: PreTrainedModel, adapter: Path) -> PeftModel:
    """A base with a trained adapter over it, in float32, to be measured or merged.

    Raises:
        WorkshopError: They do not fit.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            model: PeftModel = PeftModel.from_pretrained(base.float(), str(adapter), local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise WorkshopError(
            str(adapter), f"it does not fit its base: {error}", "train it again over this base"
        ) from None
    return model.float().eval()


def _invoked_by(base: Path) -> list[int]:
    return list(invocation_of(load_tokenizer(base)))
