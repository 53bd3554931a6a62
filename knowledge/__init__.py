"""What a role knows: documents → passages → index → search.

A package of its own that knows no rooms, no roles and no engine. Read it in the order of its work: documents.py (the
nouns), sources/ (one format per file) and reading.py (which file is read by whom), indexing/, searching/, remembering/
(the index that grows while people talk); holdings.py is what one process has open.
"""
