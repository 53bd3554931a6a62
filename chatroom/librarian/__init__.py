"""The librarian: finds what a role is reminded of, in a process of its own.

The model that turns text into vectors takes seconds to load and milliseconds to ask; neither may hold up a room. In
this package librarian.py and workplace.py run in the server; desk.py runs in the worker, with the package `knowledge`.
"""

from chatroom.librarian.asking import Ask, Lore, Reader, Said, Setup, Span
from chatroom.librarian.librarian import Librarian

__all__ = ["Ask", "Librarian", "Lore", "Reader", "Said", "Setup", "Span"]
