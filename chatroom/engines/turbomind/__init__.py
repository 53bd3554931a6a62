"""TurboMind: one `lmdeploy serve api_server` per distinct weights, started and watched here, or one that runs already.

LMDeploy lives in an environment of its own and is spoken to over HTTP; nothing of it is imported. In this package:
engine.py → server.py → process.py (which runs guard.py), client.py; turn.py says one reply; command.py, checks.py and
local_base.py know what LMDeploy wants and what the base is.
"""

from chatroom.engines.turbomind.engine import Engine

__all__ = ["Engine"]
