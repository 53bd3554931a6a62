"""How an engine asks a server over HTTP: JSON and server-sent events, bounded, cancellable, every fault an EngineError.

It knows addresses, keys and time limits; it knows no API, no prompt and no model.
"""

from chatroom.engines._http.client import HttpClient
from chatroom.engines._http.faults import HttpFault

__all__ = ["HttpClient", "HttpFault"]
