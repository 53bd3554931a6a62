"""WHAT CAN BE TYPED after launch.py: one file per command; base.py is the contract."""
