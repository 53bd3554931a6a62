"""THE GATE: int4 against 16 bit on what roles really say. Only what passes is ever used."""
