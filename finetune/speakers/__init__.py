"""Which names are one speaker: proposed by rules, decided by people."""
