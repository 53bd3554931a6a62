"""LMDeploy's PyTorch engine with LoRAs: many roles with an ordinary LoRA each speak over one base on one server.

engine.py is the engine; roster.py are the adapters that it was told of, cleaning.py their copies that LMDeploy can
read, checks.py what it can't load. How a server of LMDeploy is started, watched, asked and ended is _lmdeploy's.
"""

from chatroom.engines.lmdeploy_lora.engine import Engine

__all__ = ["Engine"]
