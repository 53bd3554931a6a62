"""Moments to learn from: a turn in a scene, an answer about a passage, an evening as everybody hears it.

Each drawing differs: other names and wordings, more or less said before, other reminders. It knows no token ids.
"""

import random
from collections.abc import Iterator

from chatroom.messages import Passage, Recalled
from finetune.base.frames import Frame, filled, filling
from finetune.base.reminders import Reminders
from finetune.base.role_data import PREMISES, RoleData, Table
from finetune.base.talk import GUESTS, told
from finetune.dataset.moment import Moment
from finetune.dialogue import Line, Scene

EVENING = 28
"""Lines of an evening."""


class Lessons:
    """Draws moments at one table."""

    def __init__(self, table: Table, frames: list[Frame], reminders: Reminders, rng: random.Random) -> None:
        self.table, self.frames, self._reminders, self.rng = table, frames, reminders, rng

    def of_scene(self, scene: Scene, *, role: RoleData | None = None, late: bool = False) -> Iterator[Moment]:
        """Every turn of a role, or of this one, in a scene; `late` in the evening, when much was said before."""
        for at, speaker in self.table.turns(scene):
            if role not in (None, speaker):
                continue
            lines = told(scene, self.table.names, self.rng).lines
            heard = [*self._before(late=late), *(line for line in lines[:at] if line.text)]
            if not lines[at].text or not lines[at - 1].text:
                continue
            about = lines[max(0, at - 4) : at]
            recalled = self._reminders.about(speaker, about, lines[at].text, self.rng)
            yield self._moment(speaker, heard, lines[at].text, recalled)

    def of_frame(self, frame: Frame, *, role: RoleData | None = None) -> Iterator[Moment]:
        """Every question of a frame, answered by one of the roles or by this one; the facts are others each time."""
        roles = {each.short: each for each in self.table.roles if role in (None, each)}
        for question in frame.questions:
            values = filling(frame, self.rng)
            asked = Line(name=self.rng.choice(GUESTS), text=filled(question.text, values, self.rng))
            names = [name for name in question.answers if name in roles]
            if not names or not asked.text:
                continue
            name = self.rng.choice(names)
            passages = [
                Passage(id="", title=filled(title, values, self.rng), text=filled(text, values, self.rng))
                for title, text in frame.passages
            ]
            if self.rng.random() < 0.3:
                passages += self._reminders.passage(roles[name], [asked])
            self.rng.shuffle(passages)
            recalled = Recalled(
                passages=tuple(passages), examples=self._reminders.examples(roles[name], [asked], self.rng)
            )
            reply = filled(question.answers[name], values, self.rng)
            yield self._moment(roles[name], [*self._before(), asked], reply, recalled)

    def evenings(self, scenes: list[Scene]) -> Iterator[Scene]:
        """All scenes once, some after the other at one table, as a transcript holds them."""
        lines: list[Line] = []
        for scene in self.rng.sample(scenes, len(scenes)):
            lines += [line for line in told(scene, self.table.names, self.rng).lines if line.text]
            if len(lines) >= EVENING:
                yield Scene(premise=self._premise(), lines=lines)
                lines = []
        if lines:
            yield Scene(premise=self._premise(), lines=lines)

    def _moment(self, role: RoleData, heard: list[Line], reply: str, recalled: Recalled) -> Moment:
        return Moment(
            premise=self._premise(),
            heard=tuple(heard),
            name=role.name,
            persona=role.persona,
            reply=reply,
            recalled=recalled,
        )

    def _before(self, *, late: bool = False) -> list[Line]:
        """What was said before a scene: mostly nothing, sometimes the greetings, another scene or two."""
        opening = self.table.greetings() if self.rng.random() < 0.2 else []
        count = self.rng.randint(6, 16) if late else self.rng.choice((0, 0, 0, 0, 1, 2))
        scenes = self.rng.sample(self.table.scenes, min(count, len(self.table.scenes)))
        lines = [line for scene in scenes for line in told(scene, self.table.names, self.rng).lines if line.text]
        return [*opening, *lines]

    def _premise(self) -> str:
        return self.table.premise if self.rng.random() < 0.6 else self.rng.choice(PREMISES)
