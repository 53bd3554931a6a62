"""Which names of a corpus may be one person's, with the evidence for and against: proposals, never decisions.

Names are compared folded: case, width, blanks, titles and what stands in parentheses do not count. Who answers whom is
evidence: two names that talk with each other are two people. A proposal waits for a person, with `merge = false`.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from finetune.dialogue import Scene
from finetune.speakers.aliases import Alias

MOST_NAMES = 2000
"""Names that are compared with each other: those with most lines."""
_SAMPLE, _LONGEST_LINE = 20_000, 2000
"""Lines in which it is looked for that somebody is also called so, and characters of each."""
_PARENTHESES = re.compile(r"[（(\[【][^）)\]】]{0,40}[）)\]】]")
_TITLES = frozenset(
    ["mr", "mrs", "ms", "miss", "dr", "sir", "lady", "lord", "king", "queen", "prince", "princess", "captain", "the"]
)
_TITLES_ZH = (
    "先生",
    "小姐",
    "女士",
    "太太",
    "夫人",
    "老师",
    "警官",
    "医生",
    "队长",
    "师傅",
    "大人",
    "娘娘",
    "公子",
    "姑娘",
    "将军",
)
_CALLED = re.compile("(?:人称|又名|又叫|外号|绰号|别名|也叫|小名|also called|also known as|known as|called|nicknamed)")
_LINKS = " ，,、：:“”\"'「」『』（()）是为叫做"


def propose(speakers: Mapping[str, int], scenes: Sequence[Scene]) -> list[Alias]:
    """Proposes which names belong together; of each group the name with most lines stands first.

    Args:
        speakers: Number of lines by name.
    """
    names = sorted(speakers, key=lambda name: (-speakers[name], name))[:MOST_NAMES]
    rank = {name: at for at, name in enumerate(names)}
    talk = _answers(scenes)
    found = [*_same(names), *_contained(names), *_titled(names), *_mentioned(names, scenes)]
    proposals: dict[frozenset[str], Alias] = {}
    for name, other, why in found:
        first, second = sorted((name, other), key=rank.__getitem__)
        reason = why + _talk(first, second, talk)
        proposals.setdefault(frozenset((first, second)), Alias(name=first, also=(second,), why=reason))
    return _grouped(proposals.values())


def folded(name: str) -> str:
    """A name without what does not tell people apart."""
    plain = _PARENTHESES.sub("", unicodedata.normalize("NFKC", name)).casefold()
    words = [word for word in re.split(r"[\s.·•_-]+", plain) if word]
    kept = [word for word in words if word not in _TITLES] or words
    joined = " ".join(kept)
    return joined if joined.isascii() else joined.replace(" ", "")


def _same(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[folded(name)].append(name)
    for key, group in groups.items():
        for other in group[1:] if key else ():
            yield group[0], other, "the same but for case, width, blanks, a title or parentheses"


def _contained(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Names of which one holds the other, or that share rare characters."""
    keys = [(name, folded(name)) for name in names]
    holders: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, key in keys:
        for part in dict.fromkeys(key.split() if key.isascii() else key):
            holders[part].append((name, key))
    for name, key in keys:
        parts = key.split() if key.isascii() else list(key)
        rarest = min(parts, key=lambda part: len(holders[part]), default="")
        for other, longer in holders[rarest][:50]:
            if other != name and key != longer and (why := _shares(key, longer, len(holders[rarest]))):
                yield name, other, why


def _shares(key: str, longer: str, holders: int) -> str:
    """Why two folded names may be one person's; "" where nothing speaks for it."""
    if key.isascii():
        return "one name holds the other" if set(key.split()) < set(longer.split()) else ""
    if len(key) > 1 and key in longer:
        return "one name holds the other"
    bare = key.lstrip("小阿老").removesuffix("儿")
    if len(set(bare)) == 1 and bare[:1] in longer[1:]:
        return "a pet name of a character that few names have" if holders <= 2 else "a pet name of a character in it"
    return ""


def _titled(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """A surname with a title, beside whole names of that surname."""
    families: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        families[folded(name)[:1]].append(name)
    for name in names:
        key = folded(name)
        title = next((each for each in _TITLES_ZH if key.endswith(each)), "")
        surname = key.removesuffix(title) if title else ""
        if not 1 <= len(surname) <= 2:
            continue
        whole = [other for other in families[key[:1]] if folded(other).startswith(surname) and not _is_titled(other)]
        rivals = f"; doubtful: {'、'.join(whole[1:4])} could be meant as well" if whole[1:] else ""
        for other in whole[:1]:
            yield other, name, f"a surname with a title, beside a name of that surname{rivals}"


def _is_titled(name: str) -> bool:
    return folded(name).endswith(_TITLES_ZH)


def _mentioned(names: Sequence[str], scenes: Sequence[Scene]) -> Iterator[tuple[str, str, str]]:
    """Names between which the text says that somebody is also called so."""
    known = sorted(names, key=len, reverse=True)
    lines = (line.text[:_LONGEST_LINE] for scene in scenes for line in scene.lines)
    for _, text in zip(range(_SAMPLE), lines, strict=False):
        for called in list(_CALLED.finditer(text))[:3]:
            before, after = text[: called.start()].rstrip(_LINKS), text[called.end() :].lstrip(_LINKS)
            name = next((each for each in known if before.endswith(each)), "")
            other = next((each for each in known if after.startswith(each)), "")
            if name and other and name != other:
                yield (
                    name,
                    other,
                    f"the text says so: “{text[max(0, called.start() - 12) : called.end() + 12].strip()}”",
                )


def _answers(scenes: Iterable[Scene]) -> Counter[frozenset[str]]:
    """How often two names speak right after each other."""
    pairs: Counter[frozenset[str]] = Counter()
    for scene in scenes:
        spoken = [line.name for line in scene.lines if line.name]
        pairs.update(frozenset(pair) for pair in pairwise(spoken) if pair[0] != pair[1])
    return pairs


def _talk(first: str, second: str, talk: Counter[frozenset[str]]) -> str:
    """What speaks for or against it, from who talks with whom."""
    together = talk[frozenset((first, second))]
    if together:
        return f"; AGAINST it: they speak right after each other {together} times"
    return "; they never speak right after each other"


def _grouped(proposals: Iterable[Alias]) -> list[Alias]:
    """One proposal for each name that stands first; a name is proposed for one other only, the first that claims it."""
    groups: dict[str, list[Alias]] = {}
    taken: dict[str, str] = {}
    for proposal in proposals:
        other = proposal.also[0]
        name = taken.get(proposal.name, proposal.name)
        if other in taken or other in groups or other == name:
            continue
        taken[other] = name
        groups.setdefault(name, []).append(proposal)
    return [
        Alias(
            name=name,
            also=tuple(each.also[0] for each in group),
            why=" · ".join(f"{each.also[0]}: {each.why}" for each in group),
        )
        for name, group in groups.items()
    ]
