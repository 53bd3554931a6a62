"""Int4 weights of the base: those that passed the gate, or else rounded here, which takes seconds and needs nothing."""

from benchmarks.gpu.bench import Bench
from quantize.job import Job, Recipe
from quantize.methods.base import quantized

GROUP = 128


def found(bench: Bench) -> str:
    """Sees to it that `bench.int4` is there; says what it is."""
    if (bench.int4 / "config.json").is_file():
        return f"int4 weights: {bench.int4.parent.name}/{bench.int4.name}"
    recipe = Recipe(method="rtn", group=GROUP)
    job = Job(
        source=bench.base,
        out=bench.int4,
        recipe=recipe,
        tokens=bench.folder / "none",
        log=bench.folder / "int4.log",
        home=bench.folder,
    )
    quantized(job, lambda line: None)
    return f"int4 weights: {recipe}, made here and not proven by the gate"
