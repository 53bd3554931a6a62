"""The two themes and the colour of each speaker.

A speaker's colour follows from the name alone, so that it is the same on every screen and after every restart. Both
palettes keep a contrast of at least 4.5 to 1 against their theme's background.
"""

from zlib import crc32

from textual.theme import Theme

NIGHT = Theme(
    name="night",
    primary="#e0a96d",
    secondary="#7fb4ea",
    accent="#e0a96d",
    success="#8fcf9a",
    warning="#e7c95f",
    error="#ef8a7d",
    foreground="#d9d6cf",
    background="#15171c",
    surface="#1b1e24",
    panel="#22262e",
    dark=True,
)
DAY = Theme(
    name="day",
    primary="#8f4f0a",
    secondary="#1f5fa8",
    accent="#8f4f0a",
    success="#24713a",
    warning="#7a5c00",
    error="#b03428",
    foreground="#2b2a27",
    background="#fbf8f2",
    surface="#f4efe5",
    panel="#ebe4d6",
    dark=False,
)

_ON_DARK = (
    "#f0a35e", "#7fb4ea", "#8fcf9a", "#e58fb1", "#c3a5ee", "#6fd0c5", "#e7c95f", "#ef8a7d", "#a9c46c", "#9fb0ff",
)  # fmt: skip
_ON_LIGHT = (
    "#8f4f0a", "#1f5fa8", "#24713a", "#a8326a", "#6a3fb5", "#0c6b64", "#7a5c00", "#b03428", "#4f6a0d", "#3c4cc0",
)  # fmt: skip


def colour_of(name: str, *, dark: bool) -> str:
    """The colour in which a speaker of that name is shown."""
    palette = _ON_DARK if dark else _ON_LIGHT
    # The word before the name spreads the bundled cast over the palette; any other would be as good in general.
    return palette[crc32(("chair" + name.casefold()).encode("utf-8", "replace")) % len(palette)]
