"""What benchmarks/gpu_lmdeploy.py measures: one file for each part, and what they share.

Read it in this order: bench.py (with what), texts.py (what is asked), asking.py (one reply and its times), servers.py
(the server that runs at the moment), the parts, report.py (a table, a page, JSON). Needs no GPU to run against
tests/stand_in.
"""
