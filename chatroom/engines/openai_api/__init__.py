"""Any OpenAI-compatible server, by its address: LMDeploy elsewhere, vLLM, llama.cpp, Ollama, a paid service."""

from chatroom.engines.openai_api.engine import Engine

__all__ = ["Engine"]
