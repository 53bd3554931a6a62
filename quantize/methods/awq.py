"""AWQ by LMDeploy's `lite auto_awq`: scales found by what passes through the layers, then round to nearest.

It runs in LMDeploy's own environment; the server never imports it. It can't leave single layers in 16 bit, and knows
groups of 128 only.
"""

from pathlib import Path

from finetune.errors import WorkshopError
from quantize.environment import Environment, run_worker
from quantize.job import Job, Tell
from quantize.packed.layers import quantized_layers

HELP = "AWQ by LMDeploy, calibrated; runs in LMDeploy's own environment"
GROUPS = (128,)
KEEPS = False
ENVIRONMENT: Environment | None = None
WORKER = Path(__file__).parent.parent / "workers" / "awq_worker.py"


def quantize(job: Job, tell: Tell) -> None:
    """Has LMDeploy quantize the model.

    Raises:
        WorkshopError: It is not known where LMDeploy is, or the recipe keeps layers.
    """
    if job.recipe.keep:
        raise WorkshopError(str(job.recipe), "LMDeploy's AWQ quantizes every layer", "take gptq or rtn to keep some")
    if job.python is None:
        raise WorkshopError("awq", "LMDeploy's environment is not known", "name its interpreter: --python awq=FILE")
    quantized_layers(job.source, job.recipe)
    order = {
        "source": str(job.source), "out": str(job.out), "tokens": str(job.tokens), "group": job.recipe.group,
    }  # fmt: skip
    run_worker(job.python, WORKER, order, job.log, tell)
