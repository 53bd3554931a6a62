"""The search: its order, who may see what, which entries come first, and what is told once."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from knowledge.documents import Passage, Rule
from knowledge.embed import Embedder
from knowledge.errors import EmbedderError
from knowledge.searching.query import Line, Query, query_of
from knowledge.searching.rerank import Reranker
from knowledge.searching.search import Mode, search
from knowledge.shelf import Vector, Vectors
from tests.bookshelf import Bookshelf

MEANINGS = ("light lamp beam lantern flame", "ship boat vessel wreck brig", "bread loaf baker oven flour")


class Meanings(Embedder):
    """An embedder without a model: each direction is a meaning, with words for it. It reads no Chinese."""

    def __init__(self) -> None:
        self.name = self.identity = "meanings"
        self.dimension = len(MEANINGS) + 1

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.encode_query(text) for text in texts])

    def encode_query(self, text: str) -> Vector:
        found = [sum(word in text.casefold() for word in words.split()) for words in MEANINGS]
        vector = np.array([*found, 0.0 if any(found) else 1.0], np.float32)
        return vector / np.linalg.norm(vector)

    def reads(self, text: str) -> bool:
        return text.isascii()


def page(name: str, text: str, *, order: int = 0, **fields: object) -> Passage:
    made = {"id": f"{name}-{order}", "title": name.title(), "text": text, "source": f"{name}.md", "document": name}
    return Passage(**made, order=order, **fields)  # type: ignore[arg-type]


def asked(text: str) -> Query:
    return query_of([Line(text=text)])


def found(shelf: Bookshelf, text: str, **options: object) -> list[str]:
    return [hit.passage.id for hit in search([shelf], asked(text), shelf.embedder, **options)]  # type: ignore[arg-type]


PAGES = [
    page("tower", "The lamp burns on the cliff until dawn."),
    page("brig", "The brig Constance broke on the rocks."),
    page("bakery", "Bess kneads dough in the village."),
    page("oven", "The oven of the bakery is warm all night."),
]


def test_words_find_what_shares_them() -> None:
    hits = search([Bookshelf(PAGES)], asked("Where did the Constance break?"), None)
    assert [hit.passage.title for hit in hits] == ["Brig"]
    assert hits[0].words is not None
    assert hits[0].words > 0
    assert hits[0].dense is None


def test_meaning_finds_what_shares_no_word() -> None:
    shelf = Bookshelf(PAGES, Meanings())
    assert found(shelf, "Which vessel was it?", mode="dense")[:1] == ["brig-0"]
    assert found(shelf, "Which vessel was it?", mode="words") == []


def test_both_kinds_beat_one_of_them() -> None:
    pages = [page("ale", "Ale, a boat."), page("rocks", "Rocks of grey stone."), page("reef", "A boat on the rocks.")]
    others = [page(f"other{number}", "A boat with a lamp.") for number in range(100)]
    shelf = Bookshelf([*pages, *others], Meanings())
    assert found(shelf, "Which ship is on the rocks?", raw=True)[0] == "reef-0"
    assert found(shelf, "Which ship is on the rocks?", raw=True, mode="words")[0] == "rocks-0"
    assert found(shelf, "Which ship is on the rocks?", raw=True, mode="dense")[0] == "ale-0"


def test_an_unreadable_script_is_searched_by_words() -> None:
    shelf = Bookshelf([page("灯塔", "灯塔有一百四十二级台阶。"), page("bread", "Bread.")], Meanings())
    for mode in ("hybrid", "dense", "words"):
        assert found(shelf, "灯塔有多少级台阶？", mode=mode) == ["灯塔-0"]


def test_without_an_embedder_words_are_searched() -> None:
    assert found(Bookshelf(PAGES), "Where did the Constance break?", mode="dense") == ["brig-0"]


@pytest.mark.parametrize("raw", [True, False])
def test_nothing_to_search_finds_nothing(raw: bool) -> None:
    assert found(Bookshelf([]), "Where is the lamp?", raw=raw) == []
    assert search([], asked("Where is the lamp?"), Meanings(), raw=raw) == []
    assert found(Bookshelf(PAGES, Meanings()), "", raw=raw) == []
    assert search([Bookshelf(PAGES)], Query(text=""), None, raw=raw) == []


def test_no_more_than_the_limit_is_found() -> None:
    pages = [page(f"lamp{number}", f"The lamp number {number} is lit.") for number in range(30)]
    for limit in (0, 1, 4, 25):
        assert len(found(Bookshelf(pages), "Which lamp is lit?", limit=limit)) == limit
        assert len(found(Bookshelf(pages), "Which lamp is lit?", limit=limit, raw=True)) == limit


def test_several_shelves_are_ranked_together() -> None:
    one, other = Bookshelf(PAGES[:2], Meanings()), Bookshelf(PAGES[2:], Meanings())
    hits = search([one, other], asked("Is the oven warm?"), one.embedder, raw=True)
    assert hits[0].passage.id == "oven-0"
    assert {hit.passage.id for hit in hits} == {each.id for each in PAGES}


def test_raw_counts_documents_not_passages() -> None:
    pages = [page("tower", f"The lamp in the tower, part {number}.", order=number) for number in range(5)]
    assert len(found(Bookshelf([*pages, PAGES[3]]), "Tell me about the lamp, the tower and the oven", raw=True)) == 2


def test_raw_finds_something_for_small_talk() -> None:
    shelf = Bookshelf(PAGES, Meanings())
    assert found(shelf, "good night", raw=True)
    assert not found(shelf, "good night")


def test_private_passages_are_found_by_theirs_only() -> None:
    shelf = Bookshelf([*PAGES, page("secret", "The lamp was dark that night.", audience=("Pell",))])
    assert "secret-0" not in found(shelf, "Was the lamp dark?")
    assert "secret-0" not in found(shelf, "Was the lamp dark?", allowed=lambda audience: "Mara" in audience)
    assert "secret-0" in found(shelf, "Was the lamp dark?", allowed=lambda audience: "Pell" in audience)


@pytest.mark.parametrize("raw", [True, False])
def test_private_passages_push_no_others_out(raw: bool) -> None:
    secrets = [page(f"s{number}", "The lamp, the lamp, the lamp!", audience=("Pell",)) for number in range(150)]
    shelf = Bookshelf([*secrets, PAGES[0]], Meanings())
    assert found(shelf, "Which lamp burns?", raw=raw) == ["tower-0"]


def entry(name: str, text: str, *, audience: tuple[str, ...] | None = None, **rule: object) -> Passage:
    return page(name, text, rule=Rule(**rule), audience=audience)  # type: ignore[arg-type]


def test_entries_that_are_named_come_first() -> None:
    shelf = Bookshelf([*PAGES, entry("ghost", "She walks at night.", keys=("grey lady",))])
    hits = search([shelf], asked("Did the grey lady break the lamp on the cliff?"), None)
    assert [(hit.passage.id, hit.why) for hit in hits[:2]] == [("ghost-0", "key"), ("tower-0", "search")]


def test_constant_entries_are_always_told() -> None:
    shelf = Bookshelf([entry(f"law{number}", "No fire in the hall.", constant=True) for number in range(9)])
    hits = search([shelf], asked("good night"), None, limit=4)
    assert [hit.why for hit in hits] == ["constant", "constant"]


def test_named_entries_leave_room_for_others() -> None:
    entries = [entry(f"ghost{number}", f"Ghost number {number} walks.", keys=("ghost",)) for number in range(9)]
    hits = search([Bookshelf([*entries, PAGES[0]])], asked("Has a ghost put out the lamp on the cliff?"), None, limit=4)
    assert [hit.why for hit in hits] == ["key", "key", "key", "search"]


def test_barred_entries_are_never_found() -> None:
    barred = entry("lamp", "The lamp is cursed.", keys=("lamp",), secondary=("curse",), logic="not_any")
    shelf = Bookshelf([*PAGES, barred], Meanings())
    assert "lamp-0" in found(shelf, "Does the lamp burn?")
    assert "lamp-0" not in found(shelf, "Is there a curse on the lamp?")


def test_an_entry_is_told_only_once() -> None:
    shelf = Bookshelf([*PAGES, entry("ghost", "The grey lady walks at night.", keys=("grey lady",))], Meanings())
    assert found(shelf, "Who is the grey lady?").count("ghost-0") == 1


def test_private_entries_stay_private() -> None:
    shelf = Bookshelf([entry("ghost", "She walks at night.", keys=("grey lady",), audience=("Pell",))])
    assert not found(shelf, "Who is the grey lady?")
    assert found(shelf, "Who is the grey lady?", allowed=lambda _: True) == ["ghost-0"]


def test_raw_search_asks_no_keys() -> None:
    shelf = Bookshelf([entry("ghost", "She walks at night.", keys=("grey lady",))])
    assert not found(shelf, "Who is the grey lady?", raw=True)


@pytest.mark.parametrize("embedder", [None, Meanings()])
def test_what_says_the_same_is_told_once(embedder: Embedder | None) -> None:
    text = "At dusk the keeper climbs the winding stairs of the tower, trims four wicks and lights the lamp."
    same = [page(f"copy{number}", text) for number in range(4)]
    other = page("cliff", "The keeper carries a loaf of bread to the lamp on the cliff.")
    chosen = found(Bookshelf([*same, other], embedder), "When does the keeper light the lamp?", limit=2)
    assert "cliff-0" in chosen


def test_neighbours_give_way_to_other_pages() -> None:
    texts = ("The lamp is old, and its glass came from Merrow.", "The lamp was dear: seven masons paid with brass.")
    parts = [page("tower", text, order=order) for order, text in enumerate(texts)]
    other = page("cliff", "Another lamp stands over there, made only for winter ships.")
    assert set(found(Bookshelf([*parts, other]), "Tell me about the lamp", limit=2)) == {"tower-0", "cliff-0"}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "words"])
def test_the_same_search_finds_the_same(mode: Mode) -> None:
    shelf = Bookshelf([page(f"lamp{number}", "The lamp is lit.") for number in range(40)], Meanings())
    assert len({tuple(found(shelf, "Which lamp is lit?", mode=mode)) for _ in range(3)}) == 1


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder of one layer with random weights."""
    folder = tmp_path_factory.mktemp("cross")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "lamp", "is", "lit", "tower", "brig", "oven", "bread"]
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertForSequenceClassification(
        BertConfig(vocab_size=len(words), max_position_embeddings=64, num_labels=1, initializer_range=1.0, **sizes)
    )
    model.save_pretrained(folder)
    BertTokenizerFast(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    return folder


def test_a_reranker_decides_the_order(cross_encoder: Path) -> None:
    reranker = Reranker(str(cross_encoder))
    shelf = Bookshelf([page(f"lamp{word}", f"The lamp is lit {word}") for word in ("tower", "brig", "oven", "bread")])
    hits = search([shelf], asked("Where is the lamp lit?"), None, raw=True, reranker=reranker)
    texts = [hit.passage.title + "\n" + hit.passage.text for hit in hits]
    assert [hit.score for hit in hits] == pytest.approx(reranker.scores("Where is the lamp lit?", texts))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.score for hit in hits}) == 4
    served = search([shelf], asked("Where is the lamp lit?"), None, limit=1, reranker=reranker)
    assert served[0].passage == hits[0].passage


def test_a_missing_reranker_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match='reranker = ""'):
        Reranker(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    with pytest.raises(EmbedderError, match=str(tmp_path)):
        Reranker(str(tmp_path))
