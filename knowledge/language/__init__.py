"""Words and sentences, in English and Chinese: what a text is made of and what it wants. Knows no documents."""
