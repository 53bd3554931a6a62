"""The long memory of a room: an index that grows while people talk."""
