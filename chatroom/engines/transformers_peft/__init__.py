"""The embedded engine: one base in memory, one adapter per role, one transcript cache shared by all of them.

The model lives in a process of its own (worker.py), so that a slow step or a crash never stops a room. In this
package `engine.py` and `process.py` run in the server; everything that imports torch runs in the worker:
worker.py → scheduler.py → turn.py → lanes.py → model.py → adapters.py, cache.py, sampling.py; replies are decoded by
decode_weights.py → decoders.py → step.py, with int4.py and packed.py for the form of the weights.
"""

from chatroom.engines.transformers_peft.engine import Engine

__all__ = ["Engine"]
