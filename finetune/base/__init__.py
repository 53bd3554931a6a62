"""How the bundled base is made: books and scenes → tokens → a small model. Its recipe opens with the commands."""
