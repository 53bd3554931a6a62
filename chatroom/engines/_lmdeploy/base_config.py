"""The part of a base's config.json that decides whether TurboMind loads it. Pure; knows no server.

A key that is missing is no fault here: configs differ. One of a wrong type is.
"""

from typing import Any

import msgspec

from chatroom.errors import EngineError

Size = int | None


class Weights(msgspec.Struct, frozen=True):
    """How compressed-tensors packs a group of layers."""

    num_bits: int = 0
    type: str = ""
    group_size: Size = None


class Group(msgspec.Struct, frozen=True):
    format: str | None = None
    weights: Weights | None = None


class Quantization(msgspec.Struct, frozen=True):
    """The part of quantization_config that decides."""

    quant_method: str = ""
    bits: Size = None
    group_size: Size = None
    version: str | None = None
    sym: bool = True
    desc_act: bool = False
    config_groups: dict[str, Group] = {}


class Config(msgspec.Struct, frozen=True):
    """The part of a config.json that decides; the text part of a model that also sees lies one level deeper."""

    architectures: list[str] | None = None
    hidden_size: Size = None
    num_hidden_layers: Size = None
    num_attention_heads: Size = None
    head_dim: Size = None
    max_position_embeddings: Size = None
    dtype: str | None = None
    torch_dtype: str | None = None
    quantization_config: Quantization | None = None
    text_config: dict[str, Any] | None = None
    llm_config: dict[str, Any] | None = None

    @property
    def text(self) -> "Config":
        """The config of the part that speaks."""
        inner = self.text_config or self.llm_config
        return msgspec.convert(inner, Config) if inner else self


def read_config(raw: bytes, base: str) -> Config:
    """Reads a config.json.

    Raises:
        EngineError: `bad_base`: it is no such file.
    """
    try:
        config = msgspec.json.decode(raw.removeprefix(b"\xef\xbb\xbf"), type=Config)
        _ = config.text  # the inner one must be readable too
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise EngineError(f"{base}/config.json can't be read: {str(error)[:200]}", code="bad_base") from None
    return config
