"""The adapters that sit on one base: loaded on first use, switched only when another one speaks.

An ordinary LoRA changes every position that is computed while it is on. An activated LoRA (aLoRA) acts on the last
`on` positions of a forward only; PEFT is never left to search the invocation in the chunk at hand, because a decoded
token holds none: the role would silently speak with the base's weights. Where it acts on all positions, as in decoding,
an ordinary LoRA with the same tensors does the same in two thirds of the time; so each aLoRA is loaded as both. Where
no adapter acts, the base computes in modules of its own, with the same tensors and nothing of PEFT between.
"""

import copy
import functools
import logging
import warnings
from pathlib import Path
from typing import Any

import msgspec
import torch
from peft import PeftModelForCausalLM, set_peft_model_state_dict
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from chatroom.engines.transformers_peft.adapter_config import WEIGHTS, first_line, read_config, unusable
from chatroom.engines.transformers_peft.decode_weights import Changes
from chatroom.engines.transformers_peft.sharing import sharing_copy
from chatroom.errors import EngineError
from chatroom.messages import Adapter

log = logging.getLogger(__name__)


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """An adapter in memory.

    Args:
        whole: What PEFT calls it where it acts on every position.
        part: What PEFT calls it where it acts on the last positions; "" for an ordinary LoRA.
    """

    path: str
    whole: str
    part: str = ""

    @property
    def names(self) -> list[str]:
        return [self.whole, self.part] if self.part else [self.whole]


class Adapters:
    """Holds the model: the bare base at first, wrapped by PEFT from the first adapter on; `bare` stays so."""

    def __init__(self, base: Any) -> None:
        self._base, self.bare = base, sharing_copy(base)
        self._peft: Any = None
        self._loaded: dict[str, Loaded] = {}
        self._active = ""
        self._made = 0

    def load(self, adapter: Adapter) -> list[str]:
        """Loads an adapter unless it is there, and gives the fingerprints that it replaced.

        Raises:
            EngineError: `no_adapter`: the folder can't be used with this base.
        """
        if adapter.fingerprint in self._loaded:
            return []
        config = read_config(adapter)
        self._made += 1
        whole = f"role{self._made}"
        loaded = Loaded(path=adapter.path, whole=whole, part=f"{whole}part" if adapter.invocation else "")
        try:
            self._add_both(loaded, config)
        except Exception as error:  # PEFT and safetensors raise what they like
            self._remove(loaded)
            raise unusable(adapter.path, f"it doesn't fit this base: {first_line(error)}") from error
        replaced = [print_ for print_, other in self._loaded.items() if other.path == adapter.path]
        self._loaded[adapter.fingerprint] = loaded
        for fingerprint in replaced:
            self._remove(self._loaded.pop(fingerprint))
        log.info("loaded adapter %s", adapter.path)
        return replaced

    def forward(self, inputs: torch.Tensor, fingerprint: str, on: int, **options: Any) -> Any:
        """Runs the model with the adapter acting on the last `on` positions; for an ordinary LoRA that is all."""
        if not on:
            return self.bare(input_ids=inputs, **options)
        loaded = self._find(fingerprint)
        if on == inputs.shape[-1]:
            self._switch(loaded.whole)
        else:
            assert loaded.part
            self._switch(loaded.part)
            options["alora_offsets"] = [on]
        return self._peft(input_ids=inputs, **options)

    def changes(self, fingerprint: str) -> Changes | None:
        """What an adapter adds to the base's weights where it acts on every position; None if it does more than add."""
        name = self._find(fingerprint).whole
        config = self._peft.peft_config[name]
        layers = {
            path: layer
            for path, layer in self._peft.base_model.model.named_modules()
            if isinstance(layer, LoraLayer) and name in (*layer.lora_A, *layer.lora_embedding_A)
        }
        if config.modules_to_save or config.trainable_token_indices or not layers:
            return None
        if not all(_only_adds(layer, name) for layer in layers.values()):
            return None
        return {path: functools.partial(_product, layer, name) for path, layer in layers.items()}

    def _find(self, fingerprint: str) -> Loaded:
        if fingerprint not in self._loaded:
            raise EngineError("the role's adapter was replaced while it spoke; ask it again", code="no_adapter")
        return self._loaded[fingerprint]

    def _switch(self, wanted: str) -> None:
        if wanted == self._active:
            return
        if not self._active:
            self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(wanted)
        self._active = wanted

    def _add_both(self, loaded: Loaded, config: Any) -> None:
        weights = load_file(Path(loaded.path, WEIGHTS))
        with warnings.catch_warnings():
            # PEFT warns of a second adapter on one model, which is what this class is for, and of tensors that are
            # missing, which is an error below
            warnings.simplefilter("ignore")
            if loaded.part:
                self._add(loaded.part, config, weights)
            ordinary = copy.deepcopy(config)
            ordinary.alora_invocation_tokens = None
            self._add(loaded.whole, ordinary, weights)

    def _add(self, name: str, config: Any, weights: dict[str, torch.Tensor]) -> None:
        if self._peft is None:
            self._peft = PeftModelForCausalLM(self._base, config, adapter_name=name, autocast_adapter_dtype=False)
        else:
            self._peft.add_adapter(name, config, autocast_adapter_dtype=False)
        result = set_peft_model_state_dict(self._peft, weights, adapter_name=name)
        missing = [key for key in result.missing_keys if f".{name}." in key]
        if missing or result.unexpected_keys:
            raise ValueError(f"its tensors don't match (first: {[*result.unexpected_keys, *missing][0]})")
        self._settle(name)

    def _settle(self, name: str) -> None:
        """Gives the new weights the base's dtype and place, and leaves no adapter on that nobody asked for."""
        for key, weight in self._peft.named_parameters():
            weight.requires_grad_(False)
            if f".{name}." in key:
                weight.data = weight.data.to(device=self._base.device, dtype=self._base.dtype)
        self._peft.eval()
        self._all_off()

    def _remove(self, loaded: Loaded) -> None:
        """Takes an adapter off the base, also one that was only half there."""
        if self._peft is None:
            return
        there = [name for name in self._peft.peft_config if name in loaded.names]
        if len(there) == len(self._peft.peft_config):
            self._base, self._peft, self._active = self._peft.unload(), None, ""
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PEFT tells which other adapter it put in its place
            for name in there:
                self._peft.delete_adapter(name)
        self._all_off()

    def _all_off(self) -> None:
        self._peft.base_model.disable_adapter_layers()
        self._active = ""


def _only_adds(layer: Any, name: str) -> bool:
    """Whether an adapter's part in a layer is two matrices beside a linear one, and nothing besides."""
    plain = type(layer) is LoraLinear and type(layer.base_layer) is torch.nn.Linear
    return plain and not layer.fan_in_fan_out and name not in layer.lora_variant and layer.lora_B[name].bias is None


def _product(layer: Any, name: str) -> torch.Tensor:
    """What it adds to the layer's weight, float32 (N, K)."""
    added: torch.Tensor = layer.lora_B[name].weight.float() @ layer.lora_A[name].weight.float() * layer.scaling[name]
    return added
