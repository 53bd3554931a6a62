"""Takes out of people's own talk what identifies them, and says what it took."""
