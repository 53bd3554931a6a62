"""Finds the folder of a base by the name that people give it. It reads no model and imports nothing heavy."""

from pathlib import Path

from chatroom.settings import Settings
from finetune.errors import WorkshopError


def base_folder(settings: Settings, role: Path, name: str) -> Path:
    """The folder of a base: models/NAME of the settings, a folder in the role folder, or any other folder.

    Raises:
        WorkshopError: There is none.
    """
    first, _, rest = name.replace("\\", "/").partition("/")
    places = [settings.models / rest] if first == "models" and rest else []
    for place in (*places, role / name, Path(name)):
        if (place / "config.json").is_file():
            return place
    remedy = "put its files into models/NAME, then --base models/NAME"
    raise WorkshopError(name, "there is no base in this folder", remedy)
