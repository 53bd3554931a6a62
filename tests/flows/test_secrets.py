"""A secret that one role was told is never in another role's prompt, nor on the wire to another person."""

from pathlib import Path
from random import Random

import msgspec
import pytest

from chatroom.frames import encode
from tests.table import Table, table

ROLES = ("mara", "tobin", "ilse")


async def talk(at: Table, rng: Random) -> dict[str, frozenset[str]]:
    """A conversation of 40 lines, half of them whispers that hold a secret each; secret → its audience."""
    persons = [await at.enter(name) for name in ("Ann", "Ben", "Wen")]
    told: dict[str, frozenset[str]] = {}
    for number in range(40):
        who = rng.choice(persons)
        if rng.random() < 0.5:
            at.script(" So it is.")
            await at.say(who, f"Line {number}, {rng.choice(ROLES)}?")
            continue
        secret = f"secret{number}x"
        audience = frozenset({who.id, *rng.sample(ROLES, rng.randint(1, 2))})
        told[secret] = audience
        at.script(f" I keep {secret}.")
        await at.say(who, f"The word is {secret}.", audience=audience)
    return told


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_secrets_stay_with_their_audience(tmp_path: Path, seed: int) -> None:
    async with table(tmp_path, ROLES, turns="lively") as at:
        told = await talk(at, Random(seed))
        assert told
        for prompt in at.prompts:
            speaker = prompt.start.rstrip(":").lower()
            text = msgspec.json.encode(prompt).decode()
            assert not [secret for secret, audience in told.items() if secret in text and speaker not in audience]
            shared = msgspec.json.encode(prompt.lines).decode()
            assert "secret" not in shared
        for frame, readers in at.told:
            heard = [secret for secret in told if secret in encode(frame).decode()]
            assert all(readers is not None and readers <= told[secret] for secret in heard)
