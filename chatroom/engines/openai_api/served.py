"""Which models a server has, and how much context the chosen one gives; as servers say it, each in its own way.

vLLM, LM Studio and the paid services say it in the list of models; llama.cpp in /props (its list tells what the model
was trained with, not what a slot got); Ollama once the model is loaded, so it is asked to load it. A server that says
nothing leaves it to the settings.
"""

from urllib.parse import urlsplit

import msgspec

from chatroom.engines._http import HttpClient, HttpFault
from chatroom.engines._http.faults import shown
from chatroom.errors import EngineError

MOST_LISTED = 10
"""Models that an error names."""
LLAMACPP = "llamacpp"
"""What llama.cpp's server says that its models are owned by."""
OLLAMA_PORT = ":11434"


class Model(msgspec.Struct, frozen=True):
    """One model of the list. Different servers have different names for its context, and may put anything there."""

    id: str
    owned_by: object = None
    max_model_len: object = None
    context_length: object = None
    context_window: object = None
    loaded_context_length: object = None
    meta: object = None

    def context(self) -> int:
        """Positions for prompt and reply; 0 where it is not said."""
        meta = self.meta.get("n_ctx") if isinstance(self.meta, dict) else None
        told = (self.loaded_context_length, self.max_model_len, self.context_length, self.context_window, meta)
        return next((number for number in told if isinstance(number, int) and number > 0), 0)


class Models(msgspec.Struct, frozen=True):
    data: list[Model] | None = None


class Slots(msgspec.Struct, frozen=True):
    n_ctx: int = 0


class Props(msgspec.Struct, frozen=True):
    default_generation_settings: Slots = Slots()


class Loaded(msgspec.Struct, frozen=True):
    name: str = ""
    context_length: int = 0


class Running(msgspec.Struct, frozen=True):
    models: list[Loaded] = []


async def find(client: HttpClient, served: str) -> Model:
    """The model that is meant.

    Args:
        served: Its name; "" means the only one.

    Raises:
        EngineError: `bad_base`: There is none of that name, or it is not clear which one is meant.
    """
    try:
        models = (await client.get_json("/models", Models)).data or []
    except HttpFault as fault:
        if fault.status not in (404, 405, 501) or not served:
            raise
        models = []
    if not models and served:
        return Model(id=served)  # it lists none; the first turn will tell
    return _choose(client, models, served)


def _choose(client: HttpClient, models: list[Model], served: str) -> Model:
    found = [model for model in models if not served or model.id in (served, f"{served}:latest")]
    if len(found) == 1 or (found and served):
        return found[0]
    listed = ", ".join(shown(model.id)[:80] for model in models[:MOST_LISTED]) or "none"
    more = f" and {len(models) - MOST_LISTED} more" if len(models) > MOST_LISTED else ""
    problem = f"has no model {served[:80]!r}" if served else "has not just one model"
    raise client.fault(f"{problem}; set [model] served to one of: {listed}{more}", code="bad_base")


async def context(address: str, key: str, model: Model) -> int:
    """Positions that the server gives the model; 0 where it does not say."""
    llamacpp, ollama = model.owned_by == LLAMACPP, model.owned_by == "library" or OLLAMA_PORT in address
    if not llamacpp and (model.context() or not ollama):
        return model.context()
    root = HttpClient("://".join(urlsplit(address)[:2]), key=key, pauses=())
    try:
        return max(0, await (_of_llamacpp if llamacpp else _of_ollama)(root, model)) or model.context()
    except EngineError:
        return model.context()  # another server after all, or one that keeps it to itself
    finally:
        await root.close()


async def _of_llamacpp(root: HttpClient, model: Model) -> int:
    return (await root.get_json("/props", Props)).default_generation_settings.n_ctx


async def _of_ollama(root: HttpClient, model: Model) -> int:
    """Has the model loaded, since only then it is decided."""
    await root.post_json("/api/generate", {"model": model.id, "stream": False}, msgspec.Raw)
    loaded = (await root.get_json("/api/ps", Running)).models
    return next((each.context_length for each in loaded if each.name == model.id), 0)
