"""The base as the room needs it here: tokenizer, template, stop ids, size. The weights stay LMDeploy's business.

Prompts become ids on this side, by the same template that training uses, and ids become text on this side too: so
LMDeploy's own template and detokenizer are never trusted. Blocks while it reads; knows no server.
"""

from pathlib import Path
from typing import Any

import msgspec

from chatroom.chat_template import ChatTemplate
from chatroom.engines._base_folder import WEIGHTS, base_folder, is_ours
from chatroom.engines._lmdeploy.base_config import Config, read_config
from chatroom.errors import EngineError
from chatroom.messages import Prompt


class LocalBase(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a base without its weights.

    Args:
        stop_ids: Ids that end a reply.
        stops: Those of them, as strings, that LMDeploy would not stop at by itself.
        weights: Bytes that the weights take on a GPU, about.
    """

    folder: Path
    tokenizer: Any
    template: ChatTemplate
    config: Config
    stop_ids: frozenset[int]
    stops: tuple[str, ...]
    context: int
    weights: int

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Renders a prompt to which something may be replied.

        Raises:
            EngineError: `too_long`, or `bad_prompt`: there is nothing in it.
        """
        ids = self.template.render(prompt).ids
        if not ids:
            raise EngineError("the prompt is empty", code="bad_prompt")
        if len(ids) >= self.context:
            problem = f"the prompt takes {len(ids)} positions and the reply at least 1, the context has {self.context}"
            raise EngineError(problem, code="too_long")
        return ids


class _Generation(msgspec.Struct, frozen=True):
    eos_token_id: int | list[int] | None = None


def load_base(base: str, context: int, *, weights: bool = True) -> LocalBase:
    """Reads a base's folder; a hub id is downloaded to the hub's cache first.

    Args:
        weights: Whether its weights are wanted too; a server elsewhere has its own.

    Raises:
        EngineError: `bad_base`: it is missing, incomplete, or made for another layout.
    """
    # transformers takes seconds to import: only where a base is really read
    from transformers import AutoTokenizer

    try:
        folder = base_folder(base, weights=weights).resolve()
        ours = is_ours(folder, base)
        config = read_config((folder / "config.json").read_bytes(), base)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return _local_base(folder, config, tokenizer, ours, context)
    except EngineError:
        raise
    except Exception as error:  # transformers raises what it likes
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise EngineError(f"the base {base} can't be read: {reason[:300]}", code="bad_base") from error


def _local_base(folder: Path, config: Config, tokenizer: Any, ours: bool, context: int) -> LocalBase:
    template = ChatTemplate(tokenizer, ours=ours)
    known = _generation_stops(folder) | ({tokenizer.eos_token_id} - {None})
    return LocalBase(
        folder=folder,
        tokenizer=tokenizer,
        template=template,
        config=config,
        stop_ids=template.stop_ids | _generation_stops(folder),
        stops=tuple(str(tokenizer.convert_ids_to_tokens(id_)) for id_ in sorted(template.stop_ids - known)),
        context=min(context, config.text.max_position_embeddings or context),
        weights=_weight_bytes(folder, config),
    )


def _generation_stops(folder: Path) -> frozenset[int]:
    """The end ids that generation_config.json names, one or several; LMDeploy reads them too."""
    file = folder / "generation_config.json"
    named = msgspec.json.decode(file.read_bytes(), type=_Generation).eos_token_id if file.is_file() else None
    if named is None:
        return frozenset()
    return frozenset([named] if isinstance(named, int) else named)


def _weight_bytes(folder: Path, config: Config) -> int:
    """What the weights take once they are loaded: those in float32 are halved."""
    size = sum(file.stat().st_size for file in folder.glob(WEIGHTS))
    return size // 2 if (config.dtype or config.torch_dtype) == "float32" else size
