"""WHAT A VOICE IS LEARNT FROM: one format per file."""
