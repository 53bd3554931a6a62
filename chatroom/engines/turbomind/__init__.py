"""TurboMind: one `lmdeploy serve api_server` per distinct weights, started and watched here, or one that runs already.

engine.py is the engine, checks.py what TurboMind can't load; how a server of LMDeploy is started, watched, asked and
ended is _lmdeploy's business.
"""

from chatroom.engines.turbomind.engine import Engine

__all__ = ["Engine"]
