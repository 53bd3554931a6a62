"""Every error that a user may see.

The base class means: this text is written for a person and may be shown to one. Errors carry data; `__str__` builds
the sentence. Foreign exceptions become one of these at the border where they arise.

* ChatroomError
  * SettingsError      a settings file, environment variable or flag
  * FolderError        a role or room folder: file, key, what to do
  * PluginError        no plug-in of that name
  * FrameError         a frame that can't be read
  * RefusedError       a frame that was read and is refused: stable code, text
  * HistoryError       the room log can't be read or written
  * EngineError        an engine can't answer: a failed turn, never a dead room
"""

from collections.abc import Sequence


class ChatroomError(Exception):
    """An error whose text may be shown to a user."""

    code = "error"


class SettingsError(ChatroomError):
    code = "settings"


class FolderError(ChatroomError):
    """A fault in a role or room folder.

    Args:
        file: The file at fault, as the user would name it.
        problem: What is wrong there.
        remedy: What to do about it.
        key: The TOML key at fault, if it is one.
    """

    code = "bad_folder"

    def __init__(self, file: str, problem: str, remedy: str = "", *, key: str = "") -> None:
        super().__init__(file, problem, remedy, key)
        self.file, self.problem, self.remedy, self.key = file, problem, remedy, key

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.problem}" + (f" ({self.remedy})" if self.remedy else "")


class PluginError(ChatroomError):
    code = "no_plugin"

    def __init__(self, kind: str, name: str, existing: Sequence[str]) -> None:
        super().__init__(kind, name, existing)
        self.kind, self.name, self.existing = kind, name, tuple(existing)

    def __str__(self) -> str:
        return f"there is no {self.name!r} in {self.kind}; there are: {', '.join(self.existing)}"


class FrameError(ChatroomError):
    """A frame that can't be read; `path` points at the field, as in `$.text`."""

    code = "bad_frame"

    def __init__(self, problem: str, *, code: str = "bad_frame", path: str = "", cid: str = "") -> None:
        super().__init__(problem)
        self.code, self.path, self.cid = code, path, cid


class RefusedError(ChatroomError):
    """A readable frame that the room or the server refuses; `code` is stable, the text is for people."""

    def __init__(self, code: str, text: str, *, retry_ms: int = 0) -> None:
        super().__init__(text)
        self.code, self.retry_ms = code, retry_ms


class HistoryError(ChatroomError):
    code = "storage"


class EngineError(ChatroomError):
    """An engine can't answer; `code` tells why (engine_lost, no_adapter, too_long, timeout, ...)."""

    def __init__(self, text: str, *, code: str = "engine") -> None:
        super().__init__(text)
        self.code = code
