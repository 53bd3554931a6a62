"""WHO ANSWERS: one file or folder per engine; base.py is the contract."""
