"""WHO SPEAKS NEXT: one file per policy; base.py is the contract."""
