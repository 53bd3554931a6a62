"""Which entries of a lorebook come to mind: keys, secondary keys, regular expressions, recursion."""
