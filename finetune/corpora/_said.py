"""What the words beside a speech say of its speaker: the noun that both languages' readers give.

Only the nearest words count: what stands right before a speech, or right after it. It knows no text.
"""

from typing import Literal

import msgspec

NEAR = 200
"""Characters beside a speech that are looked at."""

Pronoun = Literal["", "he", "she", "I", "other"]
"""Who is meant where no name stands: a man, a woman, the one who tells the book, or anybody else."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Who says it, in the words of the text.

    Args:
        subject: A name, or words that begin with one; "" where the words name nobody.
        pronoun: The subject where it is one, as in `he said`.
        sure: Whether the subject, as it stands, is what someone is called: it may be counted as a name.
        stranger: Whether somebody says it who has no name, as in `a voice replied`.
        thought: Whether it is thought and not said.
        bare: Whether the words do nothing but name the speaker; then they need not be kept.
    """

    subject: str = ""
    pronoun: Pronoun = ""
    sure: bool = False
    stranger: bool = False
    thought: bool = False
    bare: bool = False
