"""Instruction sets and conversations: who says what, what is told, and which format a file is."""

import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune.corpora import alpaca, lines, openai, rolebench, scenes, sharegpt, sillytavern, table
from finetune.corpora.base import CorpusFile, Head, Options
from finetune.dialogue import Scene
from knowledge.errors import UnreadableError

FORMATS = (alpaca, lines, openai, rolebench, scenes, sharegpt, sillytavern, table)
Told = list[tuple[str, str]]

SAMPLES: dict[ModuleType, dict[str, object]] = {
    alpaca: {"instruction": "What is a keel?", "input": "", "output": "The spine of a ship."},
    sharegpt: {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Good day."}]},
    openai: {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good day."}]},
    rolebench: {"role": "Sella", "question": "Who are you?", "generated": ["The miller.", "A miller."]},
    lines: {"context": [{"name": "Ann", "text": "Hi"}], "reply": "Good day."},
    scenes: {"lines": [{"name": "Ann", "text": "Hi"}]},
    sillytavern: {"name": "Ann", "is_user": True, "mes": "Hi", "extra": {}},
    table: {"speaker": "Ann", "text": "Hi"},
}


def read(
    format: ModuleType, path: Path, rows: object, *, me: str = "", names: tuple[str, ...] = ()
) -> tuple[list[Scene], Told]:
    """Reads records, a list of them or the text of a file; what is noted is told too."""
    if not isinstance(rows, str):
        assert isinstance(rows, list)
        rows = json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows))
    path.write_text(rows, "utf-8")
    told: Told = []
    file = CorpusFile(
        name=path.name,
        path=path,
        skip=lambda place, reason: told.append((place, reason)),
        note=lambda place, what: told.append((place, f"noted: {what}")),
        options=Options(me=me, names=names),
    )
    return list(format.read(file)), told


def said(scene: Scene) -> list[tuple[str, str]]:
    return [(line.name, line.text) for line in scene.lines]


def claims(format: ModuleType, suffix: str, text: str) -> float:
    return float(format.claims(Head(suffix=suffix, data=text.encode()[:65536], text=text[:65536])))


@pytest.mark.parametrize("shape", ["list", "pretty", "rows", "cut"])
@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.__name__.rpartition(".")[2])
def test_each_format_claims_its_own(format: ModuleType, shape: str) -> None:
    record = SAMPLES[format]
    suffix = ".jsonl" if format in (lines, scenes, sillytavern) or shape == "rows" else ".json"
    if shape == "cut" and format is not table:  # whose records are flat and short
        record = {**record, "padding": "x" * 70_000}
    text = (
        json.dumps(record)
        if suffix == ".jsonl"
        else json.dumps([record, record], indent=2 if shape == "pretty" else None)
    )
    sureness = {other.__name__: claims(other, suffix, text) for other in FORMATS}
    assert max(sureness, key=sureness.__getitem__) == format.__name__
    assert sureness[format.__name__] > 0.5


@pytest.mark.parametrize(
    "text",
    [
        '{"entries": {"0": {"key": ["gate"], "content": "An old gate.", "comment": "gate"}}}',
        '{"spec": "chara_card_v2", "data": {"name": "Sella", "description": "", "first_mes": "Hi", "mes_example": ""}}',
        '{"name": "Sella", "description": "x", "scenario": "", "first_mes": "Hi", "mes_example": ""}',
        '{"name": "Ann", "type": "personal_chat", "id": 1, "messages": [{"id": 1, "from": "Ann", "text": "Hi"}]}',
        '{"guild": {}, "channel": {}, "messages": [{"content": "Hi", "author": {"name": "Ann", "roles": []}}]}',
        "Ann: Hi\nBo: Hi",
        "[1, 2, 3]",
        "[",
        "",
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_foreign_files_are_not_claimed(text: str, suffix: str) -> None:
    assert max(claims(format, suffix, text) for format in FORMATS if format is not table) == 0
    assert claims(table, suffix, text) <= 0.1


def test_an_alpaca_record_has_all_its_parts(tmp_path: Path) -> None:
    record = {
        "instruction": "And what is a mast?",
        "input": "Say it briefly.",
        "output": "A pole for sails.",
        "system": "A harbour at noon.",
        "history": [["What is a keel?", "The spine of a ship."], ["broken"]],
    }
    (scene,), told = read(alpaca, tmp_path / "a.json", [record], me="Orrin")
    assert scene.premise == "A harbour at noon."
    assert said(scene) == [
        ("User", "What is a keel?"),
        ("Orrin", "The spine of a ship."),
        ("User", "And what is a mast?\nSay it briefly."),
        ("Orrin", "A pole for sails."),
    ]
    assert told == [("record 1", "what was said before is not a question with its answer")]


def test_a_merged_conversation_is_taken_apart(tmp_path: Path) -> None:
    records = [
        {"instruction": "以阿宁的身份回答。", "input": "守卫:站住！\n老七：别紧张，\n是自己人。\n", "output": "是我。"},
        {"instruction": "以阿宁的身份回答。", "input": "守卫:进来吧。\n", "output": "阿宁：多谢。"},
    ]
    (first, second), told = read(alpaca, tmp_path / "a.json", records, me="阿宁")
    assert said(first) == [("守卫", "站住！"), ("老七", "别紧张，\n是自己人。"), ("阿宁", "是我。")]
    assert said(second) == [("守卫", "进来吧。"), ("阿宁", "多谢。")]
    assert first.premise == "以阿宁的身份回答。"
    assert told == []


@pytest.mark.parametrize(
    "asked",
    [
        "Question: is it far?\nContext: the mill is near.",
        "1. Define the word: keel\n2. Explain it: briefly",
        "- first point: a keel\n- second point: a mast",
        "see the manual: page one\nthen the other: page two",
        "Only one speaker: hello",
        "http://mill.example\nhttps://mill.example",
        "问题：远吗？\n背景：磨坊很近。",
    ],
)
def test_a_task_with_labels_stays_one_turn(tmp_path: Path, asked: str) -> None:
    (scene,), _ = read(alpaca, tmp_path / "a.jsonl", [{"instruction": asked, "input": "", "output": "No."}])
    assert [text for _, text in said(scene)] == [asked, "No."]


def test_people_in_an_instruction_speak_themselves(tmp_path: Path) -> None:
    asked = "Ann: Is it far?\nOld Orrin (laughing): No.\n\nAnn: Then come."
    (scene,), _ = read(sharegpt, tmp_path / "a.jsonl", [{"conversations": [{"from": "human", "value": asked}]}])
    assert said(scene) == [("Ann", "Is it far?"), ("Old Orrin (laughing)", "No."), ("Ann", "Then come.")]


def test_chinese_talk_has_chinese_sides(tmp_path: Path) -> None:
    (scene,), _ = read(alpaca, tmp_path / "a.jsonl", [{"instruction": "你好吗？", "output": "很好。"}])
    assert said(scene) == [("用户", "你好吗？"), ("助手", "很好。")]


def test_several_exchanges_in_a_record_read(tmp_path: Path) -> None:
    record = {
        "conversation": [{"system": "A mill.", "input": "Hi", "output": "Hello."}, {"input": "Bye", "output": "Bye."}]
    }
    (scene,), told = read(alpaca, tmp_path / "a.json", [record])
    assert [text for _, text in said(scene)] == ["Hi", "Hello.", "Bye", "Bye."]
    assert (scene.premise, told) == ("A mill.", [])


def test_of_two_answers_the_chosen_is_read(tmp_path: Path) -> None:
    good, bad = {"from": "gpt", "value": "Gladly."}, {"from": "gpt", "value": "No!"}
    turns = [{"from": "human", "value": "Help me?"}]
    for format, record in (
        (alpaca, {"instruction": "Help me?", "chosen": "Gladly.", "rejected": "No!"}),
        (sharegpt, {"conversations": turns, "chosen": good, "rejected": bad}),
        (
            openai,
            {
                "messages": [{"role": "user", "content": "Help me?"}],
                "chosen": {"role": "assistant", "content": "Gladly."},
            },
        ),
    ):
        (scene,), told = read(format, tmp_path / "a.json", [record])
        assert said(scene)[-1] == ("Assistant", "Gladly.")
        assert [place for place, what in told if what.startswith("noted")] == ["record 1"]


def test_a_bad_example_is_not_learnt(tmp_path: Path) -> None:
    record = {**SAMPLES[sharegpt], "kto_tag": False}
    assert read(sharegpt, tmp_path / "a.json", [record]) == ([], [("record 1", "it is marked as a bad answer")])


def test_sharegpt_keeps_names_and_tells_tools(tmp_path: Path) -> None:
    turns = [
        {"from": "system", "value": "A mill by night."},
        {"from": "human", "value": "Is there flour?"},
        {"from": "function_call", "value": "{}"},
        {"from": "observation", "value": "12"},
        {"from": "gpt", "value": "Twelve sacks."},
        {"from": "Orrin", "value": "I see ten."},
        {"from": "gpt"},
        "no turn",
    ]
    (scene,), told = read(sharegpt, tmp_path / "a.jsonl", [{"conversations": turns}], me="Sella")
    assert said(scene) == [("User", "Is there flour?"), ("Sella", "Twelve sacks."), ("Orrin", "I see ten.")]
    assert scene.premise == "A mill by night."
    assert len(told) == 4


def test_openai_parts_and_names_are_kept(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:"}}
    messages = [
        {"role": "developer", "content": "A mill."},
        {"role": "user", "name": "Orrin", "content": [{"type": "text", "text": "Look at"}, picture, {"text": "this."}]},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
        {"role": "tool", "content": "12"},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": ""},
        {"content": "lost"},
    ]
    (scene,), told = read(openai, tmp_path / "a.jsonl", [{"messages": messages}])
    assert said(scene) == [("Orrin", "Look at\nthis."), ("Assistant", "I see.")]
    assert scene.premise == "A mill."
    assert len(told) == 5


def test_a_bare_list_of_messages_is_one_scene(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Good day."}]
    (scene,), told = read(openai, tmp_path / "a.json", messages)
    assert said(scene) == [("User", "Hi"), ("Assistant", "Good day.")]
    assert told == []


def test_rolebench_asks_in_its_language(tmp_path: Path) -> None:
    rows = [
        SAMPLES[rolebench],
        {"role": "老七", "question": "你是谁？", "generated": ["船夫。"]},
        {"role": "x", "generated": []},
    ]
    found, told = read(rolebench, tmp_path / "a.jsonl", rows)
    assert [said(scene) for scene in found] == [
        [("User", "Who are you?"), ("Sella", "The miller.")],
        [("用户", "你是谁？"), ("老七", "船夫。")],
    ]
    assert [place for place, _ in told] == ["line 1", "line 3"]


def test_a_roles_lines_end_with_its_reply(tmp_path: Path) -> None:
    (tmp_path / "role.toml").write_text('name = "Sella"\n', "utf-8")
    rows = [{**SAMPLES[lines], "made_by": "a model"}, {"context": [], "reply": " "}, {"context": 1, "reply": "x"}]
    (scene,), told = read(lines, tmp_path / "lines.jsonl", rows)
    assert said(scene) == [("Ann", "Hi"), ("Sella", "Good day.")]
    assert scene.lines[-1].made_by == "a model"
    assert [place for place, _ in told] == ["line 2", "line 3"]


def test_lines_of_nobody_ask_for_a_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="--as NAME"):
        read(lines, tmp_path / "lines.jsonl", [SAMPLES[lines]])
    (scene,), _ = read(lines, tmp_path / "lines.jsonl", [SAMPLES[lines]], me="Orrin")
    assert said(scene)[-1] == ("Orrin", "Good day.")


def test_own_scenes_come_back_as_they_are(tmp_path: Path) -> None:
    row = {
        "premise": "A mill.",
        "lines": [{"name": "Ann", "text": "Hi", "audience": ["Bo"]}, {"name": "", "text": "Wind.", "made_by": "m"}],
        "cast": {"Ann": "A miller."},
        "title": "One",
        "source": "play.txt, line 3",
    }
    (scene,), told = read(scenes, tmp_path / "scenes.jsonl", [row, {"lines": []}, {"lines": [{"name": 1}]}])
    assert (scene.premise, scene.cast, scene.title, scene.source) == ("A mill.", row["cast"], "One", "play.txt, line 3")
    assert (scene.lines[0].audience, scene.lines[1].made_by) == (("Bo",), "m")
    assert [place for place, _ in told] == ["line 2", "line 3"]


def test_lists_rows_and_wrappers_read_alike(tmp_path: Path) -> None:
    rows = [SAMPLES[alpaca], SAMPLES[alpaca]]
    texts = {
        "a.json": json.dumps(rows, indent=1),
        "b.json": json.dumps({"version": 1, "data": rows}),
        "c.json": "\n".join(map(json.dumps, rows)),
        "d.jsonl": json.dumps(rows),
        "e.jsonl": "\r\n\r\n".join(map(json.dumps, rows)),
    }
    for name, text in texts.items():
        found, told = read(alpaca, tmp_path / name, text)
        assert [said(scene) for scene in found] == [
            [("User", "What is a keel?"), ("Assistant", "The spine of a ship.")]
        ] * 2
        assert told == []


def test_a_damaged_row_costs_only_itself(tmp_path: Path) -> None:
    good = json.dumps(SAMPLES[alpaca])
    bad = [
        '{"instruction": "cut off',
        "[1, 2]",
        '{"a": 1e999}',
        "[" * 50_000,
        '{"a": ' * 50_000,
        '"\\ud83d"',
        "NaN",
        "{}",
    ]
    found, told = read(alpaca, tmp_path / "a.jsonl", "\n".join([good, *bad, good]))
    assert len(found) == 2
    assert [place for place, _ in told] == [f"line {number}" for number in range(2, 2 + len(bad))]


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    for text in ('[{"instruction": "a"', "[" * 50_000, '{"data": [}'):
        with pytest.raises(UnreadableError, match=r"a\.json"):
            read(alpaca, tmp_path / "a.json", text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted(
    {key for sample in SAMPLES.values() for key in sample} | {"system", "history", "chosen", "present", "role"}
)
INNER = st.dictionaries(st.sampled_from(["from", "value", "role", "content", "name", "text", "input", "output"]), JSON)
WRONG = st.dictionaries(st.sampled_from(KEYS), JSON | INNER | st.lists(INNER, max_size=3), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(WRONG, min_size=1, max_size=4))
def test_wrong_types_are_told_not_raised(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    text = "\n".join(json.dumps(row, ensure_ascii=False).encode(errors="ignore").decode() for row in rows)
    for format in FORMATS:
        assert 0 <= claims(format, ".jsonl", text) <= 1
        if format is table:
            continue
        found, told = read(format, tmp_path / "a.jsonl", text, me="Sella")
        lost = len(rows) - len(found)
        if format not in (openai, sillytavern):  # these make one scene of many rows
            assert len({place for place, _ in told}) >= lost
        assert all(scene.lines and all(line.text.strip() for line in scene.lines) for scene in found)
