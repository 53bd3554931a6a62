"""Tiny bases, tokenizers and adapters with random weights, built in a test's own folder in about a second.

The weights are wide on purpose: with the usual small ones an adapter that is off by mistake changes logits too little
to be seen. Nothing here is downloaded.
"""

import json
import os
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)
from transformers.utils.logging import disable_progress_bar

from chatroom.chat_template import ASIDE, END
from chatroom.messages import LAYOUT_VERSION, Adapter

torch.set_num_threads(1)
disable_progress_bar()

CONFIGS = {"qwen2": Qwen2Config, "llama": LlamaConfig, "mistral": MistralConfig}

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

WORDS = """The lamp is lit. Mind the third step, said Mara Vell, keeper of the Saltmere light.
Tobin: I roll the dice again and hear the sea. Who goes there? What did the old map say about the drowned bell?
Ines: 安吉拉，你好。 Прилив приходит ночью. 🎲 Café, naïve, déjà vu!
"""

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make_tokenizer(*, ours: bool = True, template: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level BPE of about 400 ids; ours has an end and an aside, others an `<eos>` and perhaps a template."""
    special = ["<|pad|>", END, ASIDE] if ours else ["<eos>", "<|im_start|>", "<|im_end|>", "<|switch|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(WORDS.splitlines(), trainer)
    end = END if ours else ("<|im_end|>" if template else "<eos>")
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, additional_special_tokens=special)
    if template:
        wrapped.chat_template = TEMPLATE
    return wrapped


def make_base(
    folder: Path, kind: str = "qwen2", *, ours: bool = True, template: bool = False, seed: int = 0, **config: Any
) -> Path:
    """Saves a random base with its tokenizer; its vocabulary is larger than the tokenizer's, as in real ones."""
    tokenizer = make_tokenizer(ours=ours, template=template)
    sizes = {
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.15,
        "tie_word_embeddings": False,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(CONFIGS[kind](**(sizes | config))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if ours:
        (folder / "provenance.json").write_text(json.dumps({"made_by": "chatroom", "layout": LAYOUT_VERSION}), "utf-8")
    return folder


def make_adapter(
    folder: Path, base: Path, *, activated: bool, seed: int = 1, rank: int = 4, width: float = 0.15
) -> Adapter:
    """Saves a random adapter for a base: an activated LoRA, invoked by the base's aside, or an ordinary one."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    added = {str(token): id_ for id_, token in tokenizer.added_tokens_decoder.items()}
    invocation = (added.get(ASIDE, added.get("<|switch|>")),) if activated else ()
    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=TARGETS,
        task_type="CAUSAL_LM",
        alora_invocation_tokens=list(invocation) or None,
    )
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # PEFT's, of transformers
        model = get_peft_model(plain, config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=width)
    model.save_pretrained(folder)
    return Adapter(path=str(folder), fingerprint=f"{folder.name}-{seed}", invocation=invocation)
