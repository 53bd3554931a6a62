"""GPTQ, W4A16, by llm-compressor: layer by layer, the error of each column put right by the columns after it.

It runs in an environment of its own, on a CPU or a GPU; the server never imports it.
"""

from pathlib import Path

from quantize.environment import PINNED, Environment, run_worker
from quantize.job import Job, Tell
from quantize.packed.layers import left_alone, quantized_layers

HELP = "GPTQ by llm-compressor, calibrated; the best where it can be installed"
GROUPS = (128, 32)
KEEPS = True
ENVIRONMENT = Environment(
    name="llmcompressor",
    pinned=PINNED / "llmcompressor.txt",
    size="1.5 GB with PyTorch for a CPU, 6 GB with CUDA",
)
WORKER = Path(__file__).parent.parent / "workers" / "gptq_worker.py"


def quantize(job: Job, tell: Tell) -> None:
    """Has llm-compressor quantize every layer that the recipe does not keep."""
    quantized_layers(job.source, job.recipe)
    order = {
        "source": str(job.source),
        "out": str(job.out),
        "tokens": str(job.tokens),
        "group": job.recipe.group,
        "ignore": left_alone(job.source, job.recipe),
    }
    python = job.python or ENVIRONMENT.python(job.home, tell)
    run_worker(python, WORKER, order, job.log, tell)
