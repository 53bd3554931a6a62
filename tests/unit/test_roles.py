"""Role folders: what is read from them, and that each fault names file, key and remedy."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from string import Formatter

import pytest

from chatroom.errors import FolderError
from chatroom.roles import Role, check_role, find_roles, fingerprint, read_role, remarks, same_names
from chatroom.words import languages, words
from tests.folders import ONE_TENSOR, ROLE, make_adapter, make_base, make_role, make_world


def read(mara: Path) -> Role:
    return read_role(mara, mara.parent.parent / "models")


def faults(mara: Path) -> list[FolderError]:
    return check_role(mara, mara.parent.parent / "models")


def test_a_role_is_what_its_folder_says(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    toml = """greeting = "Evening."\n[sampling]\ntemperature = 1\n[knowledge]\nsources = ["wiki", "persona.md"]
[turns]\ntalkativeness = 0.25\n[model]\nbase = "models/hearth"\nadapter = "adapter"\nlayout = "chat"\n"""
    (mara / "role.toml").write_bytes(b"\xef\xbb\xbf" + (ROLE + toml).encode())
    (mara / "wiki").mkdir()
    make_adapter(mara / "adapter", alora_invocation_tokens=[1, 2], base_model_name_or_path="/etc/elsewhere")
    role = read(mara)
    assert (role.id, role.name, role.aliases, role.persona) == ("mara", "Mara Vell", ("Mara",), "Keeps the light.")
    assert (role.greeting, role.sampling.temperature, role.talkativeness) == ("Evening.", 1.0, 0.25)
    assert (role.base, role.layout, role.ours) == (str(tmp_path / "models" / "hearth"), "chat", False)
    assert role.sources == (mara / "wiki", mara / "persona.md")
    assert role.adapter is not None
    assert (role.adapter.path, role.adapter.invocation) == (str(mara / "adapter"), (1, 2))


def test_a_name_alone_makes_a_role(tmp_path: Path) -> None:
    make_base(tmp_path / "models" / "hearth")
    role = read(make_role(tmp_path / "roles" / "mara", 'name = "Mara"\n'))
    assert (role.adapter, role.layout, role.engine, role.language) == (None, None, "", "en")
    assert find_roles(tmp_path / "roles") == ["mara"]


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ("", "name"),
        ('name = "Mara: x"', "name"),
        ('name = "Ma\\u202era"', "name"),
        ('name = "Ma\\nra"', "name"),
        ('name = "\\u200b"', "name"),
        ('name = "Mara"\naliases = ["a\\u200db"]', "aliases"),
        (f'name = "{"x" * 41}"', "name"),
        ("name = 3", "name"),
        (ROLE + "[sampling]\ntemperature = 3.0", "sampling.temperature"),
        (ROLE + "[sampling]\ntop_p = nan", "sampling.top_p"),
        (ROLE + "[sampling]\nmax_tokens = true", "sampling.max_tokens"),
        (ROLE + "[turns]\ntalkativeness = -0.1", "turns.talkativeness"),
        (ROLE + "[sampling]\ntemprature = 1", "sampling.temprature"),
        (ROLE + "sampling = 1", "sampling"),
        (ROLE + f'greeting = "{"x" * 4001}"', "greeting"),
        (ROLE + 'about = "one\\ntwo"', "about"),
        (ROLE + 'language = "../zh"', "language"),
        (ROLE + '[model]\nlayout = "card"', "model.layout"),
        (ROLE + '[model]\nbase = "models/none"', "model.base"),
        (ROLE + '[model]\nadapter = "adapter"', "model.adapter"),
        (ROLE + '[knowledge]\nsources = ["nowhere"]', "knowledge.sources"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, toml: str, key: str) -> None:
    mara = make_world(tmp_path)
    (mara / "role.toml").write_text(toml, encoding="utf-8")
    found = faults(mara)
    assert [(fault.file, fault.key) for fault in found] == [("roles/mara/role.toml", key)]
    assert found[0].remedy


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    (mara / "role.toml").write_text('name = ""\ngreting = "x"\n[model]\nadapter = "a"\n[sampling]\ntop_k = -1\n')
    assert {fault.key for fault in faults(mara)} == {"name", "greting", "model.adapter", "sampling.top_k"}
    assert "did you mean 'greeting'?" in str(faults(mara)[0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_persona_may_be_encoded_so(tmp_path: Path, encoding: str) -> None:
    mara = make_world(tmp_path)
    (mara / "persona.md").write_bytes("安吉拉是灯塔的守护者。\r\n".encode(encoding))
    assert read(mara).persona == "安吉拉是灯塔的守护者。"


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-0.5B-Instruct", "a/b"])
def test_a_hub_id_is_kept_as_it_is(tmp_path: Path, name: str) -> None:
    mara = make_world(tmp_path)
    (mara / "role.toml").write_text(f'{ROLE}[model]\nbase = "{name}"\n')
    assert read(mara).base == name


def test_a_base_may_lie_in_the_folder(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    make_base(mara / "my" / "base")
    (mara / "role.toml").write_text(f'{ROLE}[model]\nbase = "my/base"\n')
    assert read(mara).base == str(mara / "my" / "base")


def test_a_base_may_lie_in_shards(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    hearth = tmp_path / "models" / "hearth"
    (hearth / "model.safetensors").rename(hearth / "model-1.safetensors")
    index = hearth / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"w": "model-1.safetensors"}}))
    assert faults(mara) == []
    for shard in ("model-2.safetensors", "../x.safetensors", "model.bin"):
        index.write_text(json.dumps({"weight_map": {"w": shard}}))
        assert len(faults(mara)) == 1


def test_a_broken_line_is_only_training_trouble(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    said = {"context": [{"name": "Ann", "text": "Hi."}], "reply": "Evening."}
    (mara / "lines.jsonl").write_text(json.dumps(said) + '\n\n{"reply": ""}\n' + "[" * 100_000 + "\n")
    assert [(fault.file, fault.key) for fault in faults(mara)] == [
        ("roles/mara/lines.jsonl", "line 3"),
        ("roles/mara/lines.jsonl", "line 4"),
    ]
    assert read(mara).name == "Mara Vell"


def test_a_missing_folder_is_one_fault(tmp_path: Path) -> None:
    make_world(tmp_path)
    assert [fault.file for fault in faults(tmp_path / "roles" / "nobody")] == ["roles/nobody"]


def test_own_weights_exclude_an_adapter(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    make_base(mara / "weights")
    make_adapter(mara / "adapter")
    (mara / "role.toml").write_text(f'{ROLE}[model]\nweights = "weights"\n')
    assert read(mara).weights == str(mara / "weights")
    (mara / "role.toml").write_text(f'{ROLE}[model]\nweights = "weights"\nadapter = "adapter"\n')
    assert [fault.key for fault in faults(mara)] == ["model.weights"]


# --- provenance -------------------------------------------------------------------------------------------------------


def stamped(tmp_path: Path, **stamp: object) -> Path:
    mara = make_world(tmp_path)
    make_adapter(mara / "adapter")
    (mara / "role.toml").write_text(f'{ROLE}[model]\nadapter = "adapter"\n')
    (mara / "adapter" / "provenance.json").write_text(json.dumps({"made_by": "chatroom", "recipe": "x", **stamp}))
    return mara


def test_an_adapter_of_ours_is_known(tmp_path: Path) -> None:
    assert read(stamped(tmp_path, layout=1, base=sha256(ONE_TENSOR).hexdigest())).ours is True


def test_an_adapter_of_another_base_is_refused(tmp_path: Path) -> None:
    found = faults(stamped(tmp_path, layout=1, base="0" * 64))
    assert [(fault.file, fault.key) for fault in found] == [("roles/mara/adapter/provenance.json", "base")]


def test_another_layout_is_refused_by_name(tmp_path: Path) -> None:
    found = faults(stamped(tmp_path, layout=2))
    assert [fault.key for fault in found] == ["layout"]
    assert "layout 2" in found[0].problem


# --- edits, names, words ----------------------------------------------------------------------------------------------


def rewrite(mara: Path) -> None:
    (mara / "persona.md").write_text("Keeps the light, and the log.\n")


def add(mara: Path) -> None:
    (mara / "wiki").mkdir()


def remove(mara: Path) -> None:
    (mara / "persona.md").unlink()


@pytest.mark.parametrize("edit", [rewrite, add, remove])
def test_an_edit_changes_the_fingerprint(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    mara = make_world(tmp_path)
    before = read(mara).fingerprint
    assert before == fingerprint(mara)
    edit(mara)
    assert fingerprint(mara) != before


def test_two_roles_of_one_name_are_told(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    twin = make_role(tmp_path / "roles" / "twin", 'name = "mara  vell"\n')
    other = make_role(tmp_path / "roles" / "other", 'name = "Mara Vello"\n')
    found = same_names([read(mara), read(twin), read(other)])
    assert [(fault.file, fault.key) for fault in found] == [("roles/twin/role.toml", "name")]


def test_every_language_has_the_same_places() -> None:
    english = {key: places(text) for key, text in words("en").items()}
    assert english["cue"] == {"name"}
    for language in languages():
        assert {key: places(text) for key, text in words(language).items()} == english


def places(text: str) -> set[str]:
    return {place for _, place, _, _ in Formatter().parse(text) if place}


def test_a_language_without_words_is_remarked(tmp_path: Path) -> None:
    mara = make_world(tmp_path)
    (mara / "role.toml").write_text('name = "Mara"\nlanguage = "fi"\n')
    assert "'fi'" in remarks(read(mara))[0]
    (mara / "role.toml").write_text('name = "Mara"\nlanguage = "zh-TW"\n')
    assert (remarks(read(mara)), read(mara).words) == ([], words("zh"))


def test_a_source_outside_is_named_whole(tmp_path: Path) -> None:
    make_base(tmp_path / "models" / "hearth")
    toml = 'name = "Mara"\n[knowledge]\nsources = ["/etc/passwd"]\n'
    found = faults(make_role(tmp_path / "roles" / "mara", toml))
    assert [fault.problem for fault in found] == ["'/etc/passwd' is not a path inside roles/mara"]


def test_a_folder_that_cannot_be_listed_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_base(tmp_path / "models" / "hearth")
    make_role(tmp_path / "roles" / "mara")

    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(FolderError, match="roles/mara: it can't be read: Permission denied"):
        read_role(tmp_path / "roles/mara", tmp_path / "models")
