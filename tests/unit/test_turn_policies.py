"""Who speaks next, for every policy and for each in particular."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatroom import plugins
from chatroom.messages import Message, SeatedRole, Speaker, View
from chatroom.turns.base import pending

ROLES = tuple(
    SeatedRole(id=id_, name=id_.title(), talkativeness=talk)
    for id_, talk in [("mara", 0.4), ("tobin", 0.9), ("ilse", 0.5)]
)
ANN = Speaker(id="~ann", name="Ann", kind="person")
BEN = Speaker(id="~ben", name="Ben", kind="person")


def view(*lines: tuple[str, str], roles: tuple[SeatedRole, ...] = ROLES) -> View:
    speakers = {role.id: Speaker(id=role.id, name=role.name, kind="role") for role in ROLES} | {"ann": ANN, "ben": BEN}
    said = [
        Message(seq=i, id=f"m{i}", author=speakers[who], text=text, heard=i - 1)
        for i, (who, text) in enumerate(lines, 1)
    ]
    return View(roles=roles, persons=(ANN, BEN), messages=tuple(said))


def choose(policy: str, seen: View, scores: dict[str, float] | None = None, seed: int = 0) -> list[str]:
    chosen: list[str] = plugins.load("chatroom.turns", policy).Policy().choose(seen, scores or {}, Random(seed))
    return chosen


POLICIES = plugins.names("chatroom.turns")
LINES = st.lists(
    st.tuples(st.sampled_from(["ann", "ben", "mara", "tobin", "ilse"]), st.sampled_from(["Mara?", "Ben, hi", "So."])),
    max_size=8,
)


@pytest.mark.parametrize("policy", POLICIES)
@given(lines=LINES, seed=st.integers(0, 9))
def test_a_policy_names_only_who_is_there(policy: str, lines: list[tuple[str, str]], seed: int) -> None:
    seen, scores = view(*lines), {"mara": 0.1, "~ann": 0.0, "tobin": -1.0}
    chosen = choose(policy, seen, scores, seed)
    assert set(chosen) <= {role.id for role in ROLES} | {ANN.id, BEN.id}
    assert len(set(chosen)) == len(chosen)
    assert chosen == choose(policy, seen, scores, seed)


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "round_robin"])
def test_who_is_addressed_answers_first(policy: str) -> None:
    assert choose(policy, view(("ann", "What about Mara, Tobin?")))[0] == "tobin"
    assert choose(policy, view(("ann", "Ilse and Mara, come!"), ("ilse", "Here.")))[0] == "mara"


def test_a_role_called_by_a_role_answers() -> None:
    assert pending(view(("ann", "Evening."), ("tobin", "Mara, did you hear?"))) == ["mara"]
    assert pending(view(("ann", "Evening."), ("tobin", "Mara, did you hear?"), ("mara", "I did."))) == []


def test_addressed_is_silent_when_all_answered() -> None:
    assert choose("addressed", view(("ann", "Mara, hello."), ("mara", "Hello."))) == []


def test_addressed_falls_back_to_the_one_named() -> None:
    assert choose("addressed", view(("ann", "I wonder where Ilse went."))) == ["ilse"]


def test_round_robin_asks_each_once() -> None:
    assert choose("round_robin", view(("ann", "So."), ("tobin", "Aye."))) == ["mara", "ilse"]
    assert choose("round_robin", view(("ann", "So."), ("mara", "."), ("tobin", "."), ("ilse", "."))) == []


def test_lively_gives_the_talkative_more_turns() -> None:
    first = [choose("lively", view(("ann", "So.")), seed=seed)[0] for seed in range(200)]
    assert first.count("tobin") > first.count("mara") > 10


def test_director_follows_the_scores() -> None:
    seen = view(("ann", "So."), ("tobin", "Aye."))
    assert choose("director", seen, {"mara": -1.0, "ilse": 1.5, "tobin": 9.0, "~ann": 0.2}) == ["ilse", "~ann", "mara"]


def test_director_comes_back_to_the_person() -> None:
    scores = {"mara": 1.5, "ilse": 1.5, "tobin": 1.5, "~ann": 0.0}
    assert choose("director", view(("ann", "So."), ("mara", "Aye.")), scores)[0] != "~ann"
    assert choose("director", view(("ann", "So."), ("mara", "Aye."), ("ilse", "No.")), scores)[0] == "~ann"
