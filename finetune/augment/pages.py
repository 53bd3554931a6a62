"""Pages of a wiki → jobs: questions that a page answers, and the answers as the role would give them.

Long pages are asked about piece by piece; a page that the role must not know of is left out. It knows no engine.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from finetune.augment.job import Job
from knowledge.documents import Document

PIECE = 1_500
"""Characters of a page that are asked about at once."""
_LEAST = 40

_TOLD = {
    "en": "You write training dialogue for {role}.\n{persona}\n\nYou are given a page that {role} knows. Write "
    "{wanted} different questions that {asker} might put to {role} about it, and {role}'s answers: in {role}'s own "
    "voice, true to the page, never quoting it, a few sentences at most. Write nothing but pairs of "
    "lines in this form:\n"
    "Q: the question\nA: the answer",
    "zh": "你在为角色“{role}”写训练对话。\n{persona}\n\n下面是{role}知道的一页资料。"
    "请写出{wanted}个{asker}可能向{role}提出的不同问题，"
    "以及{role}的回答：用{role}自己的口吻，符合资料，不照抄原文，最多几句话。"
    "只写成对的两行，格式如下：\nQ: 问题\nA: 回答",
}


def jobs(
    documents: Iterable[Document],
    *,
    role: str,
    persona: str,
    asker: str,
    wanted: int = 3,
    language: Literal["zh", "en"] = "en",
) -> list[Job]:
    """Makes a job of every piece of every page.

    Args:
        role: Who answers.
        persona: Who that is, as in the role folder.
        asker: Whose name stands before the questions.
        wanted: Questions for each piece.
    """
    told = _TOLD[language].format(role=role, persona=persona.strip(), asker=asker, wanted=wanted)
    return [
        Job(
            task="pages",
            instruction=told,
            material=f"{document.title}\n\n{piece}",
            wanted=wanted,
            sources=(piece,),
            asker=asker,
            role=role,
            language=language,
        )
        for document in documents
        if document.audience is None or role in document.audience
        for piece in _pieces(document)
    ]


def _pieces(document: Document) -> Iterator[str]:
    """Cuts a page between paragraphs; a paragraph that is longer than a piece is cut where it is full."""
    piece = ""
    for paragraph in _paragraphs(document):
        if piece and len(piece) + len(paragraph) > PIECE:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
    if len(piece) >= _LEAST or (piece and len(piece) * 2 >= _LEAST and not piece.isascii()):
        yield piece


def _paragraphs(document: Document) -> Iterator[str]:
    for section in document.sections:
        above = " › ".join(section.path)
        text = f"{above}\n{section.text.strip()}" if above else section.text.strip()
        for paragraph in text.split("\n\n"):
            for at in range(0, len(paragraph), PIECE):
                yield paragraph[at : at + PIECE].strip()
