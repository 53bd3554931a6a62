"""The websocket server, in the order of a message:

gate (before the upgrade) → peer (one socket) → connection (hello, requests, errors) → the room manager →
broadcast (a room's frames, encoded once) → outbox (what one reader gets) → peer; the sweep ends those that harm others.
`Server` puts them together. Knows frames and persons; decides nothing about rooms.
"""

from chatroom.server.bounds import Bounds
from chatroom.server.broadcast import Broadcast
from chatroom.server.server import Server

__all__ = ["Bounds", "Broadcast", "Server"]
