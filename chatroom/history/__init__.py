"""WHERE THE LOG LIVES: one file per store; base.py is the contract."""
