"""WHO LISTENS: one file (or folder) per kind of client; base.py is the contract."""
