"""A server of LMDeploy, started and watched here, or one that runs already: what the engines on it share.

LMDeploy lives in an environment of its own and is spoken to over HTTP; nothing of it is imported. In this package:
serving.py → supervisor.py → launching.py → process.py (which runs guard.py), client.py; turn.py says one reply;
backend.py is what an engine on it adds; command.py and local_base.py know what LMDeploy wants and what the base is.
"""
