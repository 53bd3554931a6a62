"""Evaluation: how well roles answer at the table, measured on probes that nobody trained on.

probes.py reads what is asked (`probes/ROLE.txt`), asking.py lets a role answer as in its room, tasks/ score one quality
each, report.py draws the page. Nothing imports this package but the command line.
"""
