"""persona.md of a role that came from a card: the description, then what else the card says of it under headings.

Joined on the way in and parted on the way out, so that an edit of one part leaves the other fields of the card alone.
Knows no files.
"""

from collections.abc import Mapping

__all__ = ["FIELDS", "joined", "parted"]

FIELDS = ("description", "personality", "scenario", "system_prompt", "post_history_instructions")
_HEADINGS = {
    "en": ("## Personality", "## Scenario", "## How to play", "## Above all"),
    "zh": ("## 性格", "## 场景", "## 扮演要求", "## 最重要的"),
}


def joined(parts: Mapping[str, str], language: str) -> str:
    """The text of persona.md; what is empty has no heading."""
    headings = dict(zip(FIELDS[1:], _HEADINGS["zh" if language == "zh" else "en"], strict=True))
    texts = [(name, parts.get(name, "").strip()) for name in FIELDS]
    return "\n\n".join(f"{headings[name]}\n\n{text}" if name in headings else text for name, text in texts if text)


def parted(text: str) -> dict[str, str]:
    """The parts of a persona.md, by the fields of a card; a text without our headings is all description."""
    fields = {heading: FIELDS[at] for headings in _HEADINGS.values() for at, heading in enumerate(headings, start=1)}
    parts: dict[str, list[str]] = {"description": []}
    here = "description"
    for line in text.split("\n"):
        name = fields.get(line.strip(), "")
        if name and name not in parts:
            here = name
            parts[here] = []
        else:
            parts[here].append(line)
    return {name: "\n".join(lines).strip() for name, lines in parts.items()}
