"""Quantizes with llm-compressor's GPTQ, W4A16: a script for an environment that has it, and nothing of this project.

    python -I gptq_worker.py ORDER.json

The order names source, out, tokens (an .npz with ids and ends), group, and modules to leave alone. What it prints on
standard output are JSON objects, one a line: {"at": "..."}; a fault ends it with a traceback and a status.
"""

import json
import sys
from pathlib import Path

import llmcompressor.pipelines.cache
import numpy
import torch
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.quantization import GPTQModifier
from transformers import AutoModelForCausalLM

WIDE = 4_000_000_000
"""Bytes of weights up to which is computed in float32; beyond, in the precision that they are stored in."""


def told(text: str) -> None:
    print(json.dumps({"at": text}), file=sys.__stdout__, flush=True)


def rows(path: str) -> list[list[int]]:
    with numpy.load(path) as arrays:
        ids, ends = arrays["ids"].tolist(), arrays["ends"].tolist()
    return [ids[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def recipe(order: dict[str, object]) -> GPTQModifier:
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": order["group"]}
    groups = {"group_0": {"targets": ["Linear"], "weights": weights}}
    return GPTQModifier(config_groups=groups, ignore=order["ignore"], dampening_frac=0.01)


def main(path: str) -> None:
    order = json.loads(Path(path).read_text("utf-8"))
    if not torch.cuda.is_available():
        # It pins memory for a GPU, and raises where there is none.
        llmcompressor.pipelines.cache.IntermediatesCache.pin_memory = lambda self, *args, **named: None
    torch.manual_seed(0)
    size = sum(file.stat().st_size for file in Path(order["source"]).glob("*.safetensors"))
    told("loading the model")
    model = AutoModelForCausalLM.from_pretrained(
        order["source"], dtype=torch.float32 if size < WIDE else "auto", local_files_only=True, trust_remote_code=False
    )
    read = rows(order["tokens"])
    told(f"calibrating on {sum(map(len, read)):,} token ids in {len(read):,} rows")
    data = Dataset.from_dict({"input_ids": read, "attention_mask": [[1] * len(row) for row in read]})
    longest = max(map(len, read))
    oneshot(
        model=model, dataset=data, recipe=[recipe(order)], max_seq_length=longest, num_calibration_samples=len(read)
    )
    told("writing")
    model.save_pretrained(order["out"], save_compressed=True)


if __name__ == "__main__":
    main(sys.argv[1])
