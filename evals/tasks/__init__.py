"""Tasks: one quality in each file. A module has `HELP`, `EXPECTED` and `judge`; base.py is the contract."""
