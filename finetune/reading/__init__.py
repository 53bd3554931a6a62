"""From files and folders to scenes: which format reads each file, what it held, and an account of all of it.

Invariant: a file that can't be read costs only itself and is named; what was passed over is counted by its reason.
Names and texts come out clean here, whatever a format makes of them: one line to a name, `\\n` between lines of text,
nothing that can't be written. It knows no roles and no training; the formats are behind `plugins.load`.
"""

from finetune.reading.corpus import read_corpus
from finetune.reading.formats import KIND, format_of, formats
from finetune.reading.language import language_of
from finetune.reading.origin import Origin, read_origin, write_origin
from finetune.reading.report import FileReport, Reading, Report, Tally
from finetune.reading.scenes_file import read_scenes_file, write_scenes
from finetune.reading.tallies import LONGEST_PLACE, MOST_PLACES, MOST_REASONS
from finetune.reading.text import LONGEST_NAME, clean_name, clean_text

__all__ = [
    "KIND",
    "LONGEST_NAME",
    "LONGEST_PLACE",
    "MOST_PLACES",
    "MOST_REASONS",
    "FileReport",
    "Origin",
    "Reading",
    "Report",
    "Tally",
    "clean_name",
    "clean_text",
    "format_of",
    "formats",
    "language_of",
    "read_corpus",
    "read_origin",
    "read_scenes_file",
    "write_origin",
    "write_scenes",
]
