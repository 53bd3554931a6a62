"""More to learn from, written by a model that the user has configured; every line of it is marked as such."""
