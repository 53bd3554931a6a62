"""WAYS TO QUANTIZE: one file per method; base.py is the contract."""
