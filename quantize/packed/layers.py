"""Which layers of a model are quantized: every linear one in its blocks; embeddings, head and routers never are.

Read from the headers of safetensors files alone. It knows no method.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from finetune.errors import WorkshopError
from quantize.job import Recipe

LINEAR = re.compile(r"(?P<name>.+\.layers\.\d+\..*_proj)\.weight")
BLOCK = re.compile(r".+\.layers\.\d+\.(?:self_attn|mlp)")


def linear_layers(folder: Path) -> dict[str, tuple[int, int]]:
    """Name → (out, in) of every layer that can be quantized.

    Raises:
        WorkshopError: The weights can't be read, or no layer is of a kind that is known.
    """
    found: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # it is no dict
                    shape = file.get_slice(name).get_shape()
                    if (matched := LINEAR.fullmatch(name)) and len(shape) == 2:
                        found[matched["name"]] = (shape[0], shape[1])
        except (OSError, SafetensorError) as error:
            raise WorkshopError(str(path), f"it can't be read: {error}", "save the weights anew") from None
    if not found:
        raise WorkshopError(str(folder), "no layer of it can be quantized", "its layers are of another kind")
    return found


def blocks(folder: Path) -> list[str]:
    """The modules that may stay in 16 bit: whole attentions and whole MLPs, since engines fuse the layers in them."""
    return list(dict.fromkeys(found[0] for name in linear_layers(folder) if (found := BLOCK.match(name))))


def quantized_layers(folder: Path, recipe: Recipe) -> dict[str, tuple[int, int]]:
    """Those that a recipe quantizes.

    Raises:
        WorkshopError: Groups don't divide a row, or nothing is left to quantize.
    """
    found = {name: shape for name, shape in linear_layers(folder).items() if not recipe.keeps(name)}
    if not found:
        raise WorkshopError(str(recipe), "every layer stays in 16 bit", "keep fewer of them")
    odd = {name: shape for name, shape in found.items() if shape[1] % recipe.group or shape[0] % 8}
    if odd:
        name, shape = next(iter(odd.items()))
        problem = f"{name} is {shape[0]} by {shape[1]}, and groups of {recipe.group} don't divide its rows"
        raise WorkshopError(str(folder), problem, "take smaller groups, or leave it in 16 bit")
    return found


def groups_that_fit(folder: Path, groups: Sequence[int]) -> list[int]:
    """The group sizes that divide the rows of every layer."""
    shapes = linear_layers(folder).values()
    return [group for group in groups if all(shape[1] % group == 0 and shape[0] % 8 == 0 for shape in shapes)]


def left_alone(folder: Path, recipe: Recipe) -> list[str]:
    """Names of linear layers that stay in 16 bit, as llm-compressor is told them."""
    kept = [name for name in linear_layers(folder) if recipe.keeps(name)]
    return ["lm_head", r"re:.*mlp\.gate$", *kept]
