"""Formats that a dataset can be given to other trainers in, one per file."""
