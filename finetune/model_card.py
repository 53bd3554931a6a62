"""What a base's card says of it: the languages that it was trained on, as its author declares them.

Reads the YAML head of README.md or MODEL_CARD.md. A base without one, or a card that says nothing, gives nothing:
then nobody is kept from training. Knows no weights.
"""

from pathlib import Path

CARDS = ("README.md", "MODEL_CARD.md")


def languages_of(base: Path) -> tuple[str, ...]:
    """The languages that a base's card declares, as `en` or `zh`; empty where it says nothing."""
    for name in CARDS:
        if (base / name).is_file() and (found := _declared(base / name)):
            return found
    return ()


def speaks(languages: tuple[str, ...], language: str) -> bool:
    """Whether a base that declares these languages was trained on this one; where nothing is known, it may be."""
    if not languages or not language or "multilingual" in languages:
        return True
    return language.lower()[:2] in {each.lower()[:2] for each in languages}


def _declared(path: Path) -> tuple[str, ...]:
    from huggingface_hub import ModelCard  # it brings asyncio along, and whoever is refused need not wait for that

    try:
        declared = ModelCard.load(path, ignore_metadata_errors=True).data.get("language")
    except Exception:  # a card is written by anybody, and its head may be anything
        return ()
    listed = declared if isinstance(declared, list) else [declared]
    return tuple(each for each in listed if isinstance(each, str))
