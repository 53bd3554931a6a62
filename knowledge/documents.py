"""The nouns of knowledge: what a source holds (`Document`), what is retrieved (`Passage`), what was found (`Hit`).

All are frozen. They say where they are from, so that a player can be told, and who may see them.
"""

from typing import Literal

import msgspec

Audience = tuple[str, ...]
"""Who may see it: names or ids, as the source gives them; absent (None) means everyone who has the index."""


class Noun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all value objects here."""


class Rule(Noun, frozen=True, kw_only=True):
    """When an entry of a lorebook comes to mind: by words in what was said lately, not by likeness.

    Args:
        keys: Any of these brings it up; one of the form `/pattern/flags` is a regular expression.
        secondary: Keys that `logic` asks for besides; none means that `keys` are enough.
        constant: It always comes to mind.
        order: Lower ones stand higher up, as in the lorebook.
        depth: How many of the latest lines are looked at; 0 leaves it to the search.
        recursive: Whether the text of other entries that came up is looked at too.
        excluded: Other entries' text never brings this one up.
        silent: Its own text never brings up others.
        delayed: Only other entries' text brings it up.
    """

    keys: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    logic: Literal["and_any", "not_all", "not_any", "and_all"] = "and_any"
    constant: bool = False
    case_sensitive: bool = False
    whole_words: bool = False
    order: float = 100
    depth: int = 0
    recursive: bool = False
    excluded: bool = False
    silent: bool = False
    delayed: bool = False


class Section(Noun, frozen=True, kw_only=True):
    """A stretch of a document under one heading.

    Args:
        path: Headings above it, outermost first, without the document's title.
        text: Plain text; paragraphs are separated by an empty line.
        line: Where it begins in the file, from 1; 0 where that means nothing.
        sought: What is searched in place of the text; such a section is never split.
    """

    path: tuple[str, ...] = ()
    text: str
    line: int = 0
    sought: str = ""


class Document(Noun, frozen=True, kw_only=True):
    """One page, entry or record of a source.

    Args:
        source: The file, relative to what was indexed and with `/`, as the user would name it.
        place: Where in the file, as `page 431` or `entry 7`; "" for a file that is one document.
        id: The source's own id of it, if it has one.
        title: Never empty: a file's name where the document has none.
        aliases: Other names of what it is about, redirects among them.
        url: Where it can be read, if the source says.
        rule: When it comes to mind, for an entry of a lorebook.
    """

    source: str
    place: str = ""
    id: str = ""
    title: str
    sections: tuple[Section, ...]
    aliases: tuple[str, ...] = ()
    url: str = ""
    audience: Audience | None = None
    rule: Rule | None = None


class Passage(Noun, frozen=True, kw_only=True):
    """A piece of a document, of a size that fits into a prompt.

    Args:
        id: A digest of source, place and text: the same text in the same place has the same id.
        text: What is told.
        sought: What is searched in place of title, headings, aliases and text; "" where that is just them.
        order: Place within its source, counted from 0: two neighbours follow each other.
    """

    id: str
    text: str
    title: str
    path: tuple[str, ...] = ()
    source: str
    place: str = ""
    document: str = ""
    aliases: tuple[str, ...] = ()
    url: str = ""
    audience: Audience | None = None
    rule: Rule | None = None
    sought: str = ""
    order: int = 0


class Hit(Noun, frozen=True, kw_only=True):
    """A passage that was found.

    Args:
        score: Higher is better; comparable within one search only.
        dense: Cosine of query and passage; None where no vectors were asked.
        words: BM25 score; None where no words were asked.
        why: `search`, or `key` and `constant` for an entry of a lorebook.
    """

    passage: Passage
    score: float
    dense: float | None = None
    words: float | None = None
    why: Literal["search", "key", "constant"] = "search"


def heading(passage: Passage) -> str:
    """Title and headings of a passage, as `Mara Vell › Childhood`."""
    return " › ".join((passage.title, *passage.path))


def sought(passage: Passage) -> str:
    """The text under which a passage is searched."""
    if passage.sought:
        return passage.sought
    named = ", ".join(alias for alias in passage.aliases if alias.casefold() not in passage.text.casefold())
    return "\n".join(filter(None, (heading(passage), named, passage.text)))
