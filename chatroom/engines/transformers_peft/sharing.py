"""Copies of a model that share its tensors: the same weights in other modules.

One copy can have some layers replaced, or be wrapped by a library, while the others stay as they are. The embedding is
the very same module in all of them. Knows no adapter.
"""

import copy
from typing import Any, TypeVar

import torch

Module = TypeVar("Module", bound=torch.nn.Module)


def sharing_copy(model: Module) -> Module:
    """Copies a model's modules, but none of its tensors and nothing of its config."""
    shared = [*model.parameters(), *model.buffers()]
    shared += [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    shared += [config for module in model.modules() if (config := getattr(module, "config", None)) is not None]
    return copy.deepcopy(model, {id(each): each for each in shared})


def own_bytes(copied: torch.nn.Module, model: torch.nn.Module) -> int:
    """Bytes of a copy that aren't the model's."""
    held = {id(tensor) for tensor in tensors(model)}
    return sum(tensor.nbytes for tensor in tensors(copied) if id(tensor) not in held)


def tensors(model: torch.nn.Module) -> list[Any]:
    return [*model.parameters(), *model.buffers()]
