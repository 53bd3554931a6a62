"""A role is told what it knows about the moment, says where it knows it from, and nobody else's secrets are told."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any

import msgspec

from chatroom.frames import EndFrame, Invite, encode
from chatroom.librarian import Librarian, Setup
from chatroom.messages import Prompt
from tests.table import Table, table, write_role


def write_wiki(home: Path, role: str, **pages: str) -> None:
    folder = write_role(home / "roles", role, extra="").parent / role
    (folder / "wiki").mkdir()
    for name, text in pages.items():
        (folder / "wiki" / f"{name}.md").write_text(text, "utf-8")
    with (folder / "role.toml").open("a", encoding="utf-8") as toml:
        toml.write('\n[knowledge]\nsources = ["wiki"]\n')


@asynccontextmanager
async def reading(home: Path, roles: tuple[str, ...] = ("mara", "tobin"), **room: Any) -> AsyncIterator[Table]:
    """A table with a librarian that goes by words alone, as no model need be loaded for that."""
    librarian = Librarian(Setup(home=home / "var", embedder="none"), patience=60, soon=60)
    async with table(home, roles, librarian=librarian, **room) as at:
        yield at


def tail_of(prompt: Prompt) -> str:
    return "\n".join(prompt.tail)


async def test_a_role_is_told_what_its_wiki_says(tmp_path: Path) -> None:
    write_wiki(
        tmp_path,
        "mara",
        lens="# The Eye\n\nThe Eye is the great lens. It stands ten feet tall.\n",
        cat="# Soot\n\nSoot is the cat.\n",
    )
    async with reading(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" Ten feet.")
        await at.say(ann, "Mara, how tall is the great lens?")
        assert "Mara knows: [1] The Eye: The Eye is the great lens. It stands ten feet tall." in tail_of(at.prompts[0])
        assert "Soot" not in tail_of(at.prompts[0])
        (end,) = [frame for frame, _ in at.told if isinstance(frame, EndFrame)]
        (given,) = end.passages
        assert (given.title, given.source) == ("The Eye", "wiki/lens.md, line 3")
        assert given.score > 0


async def test_small_talk_looks_nothing_up(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara", lens="# The Eye\n\nThe Eye is the great lens. It stands ten feet tall.\n")
    async with reading(tmp_path) as at:
        at.script(" Evening.")
        await at.say(await at.enter("Ann"), "Good evening, Mara!")
        assert "knows" not in tail_of(at.prompts[0])


async def test_another_role_does_not_know_the_wiki(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara", lens="# The Eye\n\nThe Eye is the great lens. It stands ten feet tall.\n")
    async with reading(tmp_path) as at:
        at.script(" No idea.")
        await at.say(await at.enter("Ann"), "Tobin, how tall is the great lens, the Eye?")
        assert "ten feet" not in msgspec.json.encode(at.prompts[0]).decode()


async def test_everybody_knows_what_the_room_says(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara", lens="# The Eye\n\nThe Eye is the great lens.\n")
    pages = tmp_path / "rooms" / "inn"
    pages.mkdir(parents=True)
    (pages / "cistern.md").write_text("# The cistern\n\nThe cistern under the inn is nine fathoms deep.\n", "utf-8")
    async with reading(tmp_path, folder=pages.parent, documents=(pages,)) as at:
        ann = await at.enter("Ann")
        at.script(" Nine.", " Nine, captain.", " Eleven.")
        await at.say(ann, "Mara, how deep is the cistern?")
        await at.say(ann, "Tobin, how deep is the cistern?")
        (pages / "cistern.md").write_text(
            "# The cistern\n\nThe cistern under the inn is eleven fathoms deep.\n", "utf-8"
        )
        await at.say(ann, "Tobin, how deep is the cistern?")
        told = [tail_of(prompt) for prompt in at.prompts]
        assert ["nine fathoms" in tail for tail in told] == [True, True, False]
        assert "eleven fathoms" in told[2]


async def test_an_edited_page_is_known_at_the_next_turn(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara", lens="# The Eye\n\nThe Eye is the great lens. It stands ten feet tall.\n")
    async with reading(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" Ten.", " Twelve.")
        await at.say(ann, "Mara, how tall is the great lens?")
        (tmp_path / "roles/mara/wiki/lens.md").write_text("# The Eye\n\nThe Eye is the great lens, twelve feet tall.\n")
        await at.say(ann, "Mara, how tall is the great lens?")
        assert "twelve feet" in tail_of(at.prompts[1])
        assert "ten feet" not in tail_of(at.prompts[1])


async def test_the_nearest_exchange_shows_the_voice(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara")
    records = [
        {"context": [{"name": "Ben", "text": f"Tell me about {thing}."}], "reply": f"{thing.title()}? Hm."}
        for thing in ("herring", "lanterns", "goats")
    ]
    lines = "\n".join(json.dumps(record) for record in records)
    (tmp_path / "roles/mara/lines.jsonl").write_text(lines, "utf-8")
    async with reading(tmp_path) as at:
        at.script(" Hm.")
        await at.say(await at.enter("Ann"), "Mara, what about those lanterns?")
        assert 'To "Tell me about lanterns." Mara once said: Lanterns? Hm.' in tail_of(at.prompts[0])


async def test_an_example_speaks_to_whoever_asks_now(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara")
    record = {"context": [{"name": "Ben", "text": "Where are the lanterns?"}], "reply": "In the shed, {{user}}."}
    (tmp_path / "roles/mara/lines.jsonl").write_text(json.dumps(record), "utf-8")
    async with reading(tmp_path) as at:
        at.script(" In the shed.")
        await at.say(await at.enter("Ann"), "Mara, where are the lanterns?")
        assert at.prompts[0].leads == ("In the shed, Ann.",)
        assert "In the shed, Ann." in tail_of(at.prompts[0])


async def test_a_broken_index_stops_no_turn(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara", lens="# The Eye\n\nThe Eye is the great lens.\n")
    async with reading(tmp_path) as at:
        ann = await at.enter("Ann")
        at.script(" One.", " Two.")
        await at.say(ann, "Mara, the great lens?")
        for file in (tmp_path / "var/index/mara").glob("*"):
            if file.is_file():
                file.write_bytes(b"\0" * 10)
        (reply,) = await at.say(ann, "Mara, the great lens?")
        assert reply.text == "Two."


async def test_a_promise_of_long_ago_is_remembered(tmp_path: Path) -> None:
    """2,000 lines: the promise has long left the prompt."""
    write_wiki(tmp_path, "mara")
    async with reading(tmp_path, ("mara",)) as at:
        ann, rng = await at.enter("Ann"), Random(5)
        words = ["rope", "tide", "bread", "oil", "gulls", "wool", "slate", "fog", "eels", "kettle"]
        for number in range(1000):
            promise = "Mara, I promise to bring you the blue lantern before the flood." if number == 150 else ""
            text = promise or f"Line {number} is about {rng.choice(words)} and {rng.choice(words)}."
            await at.post(ann, text)
            await at.post(ann, f"And {rng.choice(words)} too, number {number}.")
        at.script(" You did.")
        await at.say(ann, "Mara, what did I promise to bring you?")
        prompt = at.prompts[-1]
        assert "blue lantern" in tail_of(prompt)
        assert not any("blue lantern" in line.text for line in prompt.lines)


async def test_canaries_stay_where_they_were_planted(tmp_path: Path) -> None:
    """A secret in each place: a wiki page, a page for another role only, a whisper, a persona. Long, random talk."""
    roles = ("mara", "tobin", "ilse")
    for role in roles:
        write_wiki(
            tmp_path,
            role,
            own=f"# The cellar of {role}\n\nIn the cellar of {role} lies the canary-wiki-{role}, under the barrel.\n",
            barred=f"---\naudience: nobody\n---\n# The barrel\n\nThe canary-barred-{role} is in the cellar barrel.\n",
        )
        (tmp_path / "roles" / role / "persona.md").write_text(f"The canary-note-{role} is in the cellar.", "utf-8")
    rng, told = Random(11), dict[str, frozenset[str]]()
    async with reading(tmp_path, roles, turns="lively") as at:
        persons = [await at.enter(name) for name in ("Ann", "Ben")]
        for number in range(400):  # so that there is a long ago
            await at.post(rng.choice(persons), f"Filler {number} on the weather and the price of wool.")
            if number % 5 == 0:
                who = rng.choice(persons)
                audience = frozenset({who.id, rng.choice(roles)})
                told[f"canary-whisper-{number}"] = audience
                await at.post(who, f"The canary-whisper-{number} is in the cellar under the barrel.", audience)
        for number in range(30):
            at.script(" So they say.")
            await at.say(
                rng.choice(persons), f"{rng.choice(roles)}, what is the canary in the cellar barrel, {number}?"
            )
        assert any("canary-wiki" in tail_of(prompt) for prompt in at.prompts)
        assert any("canary-whisper" in tail_of(prompt) and "long ago" in tail_of(prompt) for prompt in at.prompts)
        for prompt in at.prompts:
            speaker, text = prompt.start.rstrip(":").lower(), msgspec.json.encode(prompt).decode()
            assert "canary-barred" not in text
            for role in set(roles) - {speaker}:
                assert f"canary-wiki-{role}" not in text
                assert f"canary-note-{role}" not in text
            assert not [
                secret for secret, audience in told.items() if secret in text.split('"') and speaker not in audience
            ]
            assert not [secret for secret, audience in told.items() if f"{secret} " in text and speaker not in audience]
        for frame, _ in at.told:
            if isinstance(frame, EndFrame) and frame.audience is None:
                assert "canary-whisper" not in encode(frame).decode()


LENS = "# The Eye\n\nThe Eye is the great lens. It stands ten feet tall.\n"


async def test_every_role_that_is_asked_is_reminded(tmp_path: Path) -> None:
    """The second one answers the question too, and not the first one's answer."""
    for role in ("mara", "tobin"):
        write_wiki(tmp_path, role, lens=LENS)
    async with reading(tmp_path) as at:
        at.script(" Hm, let me think.", " Ten feet.")
        await at.say(await at.enter("Ann"), "Mara, Tobin, how tall is the great lens?")
        assert ["ten feet" in tail_of(prompt) for prompt in at.prompts] == [True, True]


async def test_an_index_taken_away_is_built_anew(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara", lens=LENS)
    async with reading(tmp_path) as at:
        ann = await at.enter("Ann")
        for _ in range(3):
            at.script(" Ten feet.")
            await at.say(ann, "Mara, how tall is the great lens?")
            if len(at.prompts) == 1:
                rmtree(tmp_path / "var/index/mara")
        assert "ten feet" in tail_of(at.prompts[0])
        assert "ten feet" in tail_of(at.prompts[-1])


async def test_an_alias_opens_no_page_of_another(tmp_path: Path) -> None:
    write_wiki(tmp_path, "mara")
    write_wiki(
        tmp_path, "tobin", secret="---\naudience: mara\n---\n# The Eye\n\nThe great lens stands ten feet tall.\n"
    )
    toml = tmp_path / "roles/tobin/role.toml"
    toml.write_text(toml.read_text("utf-8").replace('name = "Tobin"', 'name = "Tobin"\naliases = ["Mara"]'), "utf-8")
    async with reading(tmp_path) as at:
        at.script(" Hm.")
        await at.say(await at.enter("Ann"), "Tobin, how tall is the great lens?")
        assert "ten feet" not in tail_of(at.prompts[0])


async def test_who_came_late_remembers_nothing_from_before(tmp_path: Path) -> None:
    """Where the untold stays unheard, also after more lines than a transcript keeps."""
    async with reading(tmp_path, ("tobin",), absence="unheard") as at:
        ann = await at.enter("Ann")
        await at.post(ann, "The blue lantern is hidden under the third stair.")
        write_role(tmp_path / "roles", "mara")
        await at.manager.receive(Invite(cid="c1", room="inn", role="mara"), ann)
        for number in range(4300):
            await at.post(ann, f"Line {number} is about wool and rope.")
        at.script(" I can't know.")
        await at.say(ann, "Mara, where is the blue lantern hidden?")
        assert "third stair" not in msgspec.json.encode(at.prompts[-1]).decode()
