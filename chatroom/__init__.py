"""A room where people and several language models talk.

Read in the order of a message: server → room_manager → room → turns → context → engines → history → server.
The map is docs/architecture.md; the words are defined there and used everywhere alike.
"""

__version__ = "0.1.0"
