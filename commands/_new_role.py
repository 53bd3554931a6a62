"""The files of a new role: a folder that works at once over the bundled base, and says how to go on.

Every key of role.toml stands there with a comment. It knows no model; the text is all there is.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from chatroom.errors import FolderError

SAID = {
    "en": [("Good evening, {name}.", "Good evening. Sit down, there is room."), ("Who are you?", "{name}. And you?")],
    "zh": [("晚上好，{name}。", "晚上好，请坐，这里有位子。"), ("你是谁？", "我是{name}。你呢？")],
}
PERSONA = {
    "en": "{name} is a guest at this table: friendly, curious, brief. {name} speaks in short plain sentences, answers\n"
    "what was asked, and likes to ask back.\n",
    "zh": "{name}是这张桌子上的客人：友善、好奇、话不多。{name}说话简短直白，先回答别人的问题，也喜欢反问。\n",
}
ABOUT = {"en": "A guest at the table.", "zh": "桌边的一位客人。"}
GREETING = {"en": "Good evening, everyone.", "zh": "大家晚上好。"}
PAGE = {
    "en": "# {name}\n\n{name} came to this table not long ago.\n\nWhat {name} knows goes here: one subject"
    " per page,\none fact per paragraph.\n",
    "zh": "# {name}\n\n{name}不久前才来到这张桌子。\n\n{name}知道的事写在这里：每页一个主题，每段一件事。\n",
}
ROLE_TOML = """\
# Who this is. `python launch.py role check {id}` says what is wrong here, if anything is.

name = {name}
aliases = []                  # other names it answers to, in any script
language = {language}               # of the words around what it is told
about = {about}   # the one line that others at the table know
greeting = {greeting}     # what it says when a room opens for the first time; "" for nothing

[model]
base = {base}        # models/NAME, a folder in here, or a hub id
# adapter = "adapter"         # folder of a LoRA adapter for the base
# lora = "lora"               # its ordinary twin, where the adapter is an activated LoRA
# weights = "weights"         # or: a folder of fine-tuned weights, in place of base and adapter
# layout = "room"             # or "chat": the persona first, through the base's own chat template
# engine = "transformers_peft"
# quantization = "none"       # or "int4", on engines that can

[sampling]
temperature = 0.8             # 0 to 2: how daring it is
top_p = 0.95                  # above 0, to 1: draws from the likeliest words that have this share
top_k = 0                     # draws from this many likeliest words; 0: from all
repetition_penalty = 1.1      # 0.5 to 2: above 1 it repeats itself less
max_tokens = 160              # longest reply

[knowledge]
sources = ["wiki"]            # folders or files in here that only this role knows
top_k = 4                     # passages of them that it is reminded of at a turn
memory = 3                    # stretches of what was said long ago that it is reminded of
examples = 2                  # exchanges of lines.jsonl that it is shown as examples of its voice

[turns]
talkativeness = 0.5           # 0 to 1: how often it speaks unasked
"""


def write_role(folder: Path, name: str, language: str) -> None:
    """Writes the folder of a new role, with a first page and two lines; nothing that exists is touched.

    Raises:
        FolderError: There is such a folder, or it can't be made.
    """
    toml = role_toml(folder.name, name, language, about=ABOUT[language], greeting=GREETING[language])
    write_files(folder, {"role.toml": toml, **_files(folder.name, name, language)})


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Writes a role folder of these files, by their names in it; nothing that exists is touched.

    Raises:
        FolderError: There is such a folder, or it can't be made.
    """
    label = f"roles/{folder.name}"
    try:
        (folder / "wiki").mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise FolderError(label, "there is such a folder already", "choose another id") from None
    except OSError as error:
        raise FolderError(label, f"it can't be written: {error.strerror}", "check the folder around it") from None


def role_toml(
    id: str, name: str, language: str, *, about: str = "", greeting: str = "", base: str = "models/hearth"
) -> str:
    """The text of a role.toml in which every key stands, with what it means."""
    values = {"name": name, "language": language, "about": about, "greeting": greeting, "base": base}
    return ROLE_TOML.format(id=id, **{key: _quoted(text) for key, text in values.items()})


def _files(id: str, name: str, language: str) -> dict[str, str]:
    lines = [
        {"context": [{"name": "Ann", "text": asked.format(name=name)}], "reply": reply.format(name=name)}
        for asked, reply in SAID[language]
    ]
    return {
        "persona.md": PERSONA[language].format(name=name),
        "lines.jsonl": "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
        f"wiki/{id}.md": PAGE[language].format(name=name),
    }


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
