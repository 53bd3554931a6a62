"""How a role travels: character cards of other programs, and role packages of our own."""
