"""What can go wrong in the workshop, said to a person: what it is about, what is wrong there, what to do.

Its base is the one of the room, so that the command line shows both alike. Files that can't be read at all raise
knowledge's `UnreadableError`, as everywhere.
"""

from chatroom.errors import ChatroomError


class WorkshopError(ChatroomError):
    """Something that the workshop was given, or was asked for, can't be used.

    Args:
        what: The file, folder or option, as the user would name it.
        problem: What is wrong with it.
        remedy: What to do about it.
    """

    code = "workshop"

    def __init__(self, what: str, problem: str, remedy: str = "") -> None:
        super().__init__(what, problem, remedy)
        self.what, self.problem, self.remedy = what, problem, remedy

    def __str__(self) -> str:
        return f"{self.what}: {self.problem}" + (f" ({self.remedy})" if self.remedy else "")
