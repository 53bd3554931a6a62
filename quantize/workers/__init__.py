"""Scripts that run in environments of their own; each takes an order as a file and imports nothing of this project."""
