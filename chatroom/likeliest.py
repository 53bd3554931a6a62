"""Asks an engine who would speak next, from the transcript it holds already: no extra prompt and nothing to parse.

The score of a speaker is the log-probability of `Name:` as the next line, less the same after the premise alone: some
names are just frequent words.
"""

import msgspec

from chatroom.engines.base import Engine
from chatroom.messages import Prompt, Scores, View


async def scores(engine: Engine, prompt: Prompt, view: View, bias: dict[str, float]) -> Scores:
    """Scores every role and person of the view.

    Args:
        engine: One that can score.
        prompt: Of any role that shares the public lane.
        view: Whose speakers are the candidates.
        bias: Log-probability of each name after the premise; filled here, kept by the caller.
    """
    names = {role.id: f"{role.name}:" for role in view.roles} | {who.id: f"{who.name}:" for who in view.persons}
    if not prompt.premise:
        bias |= dict.fromkeys(names.values(), 0.0)  # nothing stands before the first line: no name is likelier there
    if unknown := sorted({name for name in names.values() if name not in bias}):
        opening = msgspec.structs.replace(prompt, view=f"{prompt.view}premise", lines=())
        bias.update(zip(unknown, await engine.score(opening, unknown), strict=True))
    said = await engine.score(prompt, list(names.values()))
    return {id_: score - bias[name] for (id_, name), score in zip(names.items(), said, strict=True)}
