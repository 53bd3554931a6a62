"""Who shares an engine with whom, as long as memory is no question.

The rules, in the order in which they are tried; the first that fits decides, and its words are the reason: a server
that runs already; no GPU; the engine that is named; only an activated LoRA; an architecture that TurboMind does not
run; no adapter; two or more ordinary LoRAs of a base; a lone LoRA or twin, merged. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from chatroom.engine_plan.groups import Seat
from chatroom.engine_plan.wishes import EMBEDDED, LORA, TURBOMIND, Machine, Wish

ELSEWHERE, REFUSED = "elsewhere", "refused"
"""Stand in place of an engine: nothing is held here; nothing can speak for the role."""

NO_GPU = "no GPU: all roles stay on the embedded engine"
ONLY_ACTIVATED = "only an activated LoRA: no LMDeploy engine runs those"
NO_TWIN = f"{ONLY_ACTIVATED}; train its ordinary twin: launch.py finetune {{role}} --kind both"
NAMED = "as role.toml or the settings name it"
NO_ADAPTER = "no adapter: TurboMind, shared by all who speak with these weights"
OWN_WEIGHTS = "weights of its own: TurboMind"
MANY_LORAS = "{count} ordinary LoRAs on this base share LMDeploy's PyTorch engine"
LONE_LORA = "the only ordinary LoRA on this base: merged for TurboMind"
UNFIT_LORA = "LMDeploy's PyTorch engine would get its LoRA wrong ({problem}): merged for TurboMind"
TWIN = "the ordinary twin of its activated LoRA, merged for TurboMind"
DEARER = "merging would cost more: its base has a proven int4, the merged weights have none"
PACKED = "its weights are stored as {method}, which {engine} does not read"
PACKED_MERGED = "a LoRA can't be merged into weights that are quantized: name its base in 16 bit"


def seated(wishes: Sequence[Wish], machine: Machine) -> list[Seat]:
    """Gives every role its engine; who spoke last comes first."""
    order = sorted(range(len(wishes)), key=lambda at: (-wishes[at].spoke, at))
    loras = Counter(wish.weights.id for wish in wishes if _shares(wish, machine))
    return [seat(wishes[at], rank, loras[wishes[at].weights.id], machine) for rank, at in enumerate(order)]


def seat(wish: Wish, rank: int, loras: int, machine: Machine) -> Seat:
    """Gives one role its engine.

    Args:
        loras: How many roles with an ordinary LoRA could share LMDeploy's PyTorch engine over its base.
    """
    engine, merged, why = _chosen(wish, loras, machine)
    found = Seat(wish=wish, rank=rank, engine=engine, merged=merged, why=(why,))
    if wish.weights.packed:
        return _packed(found)
    return replace(found, int4=wish.int4 and (proven(found) or _packs(found, machine)))


def smaller(group: Iterable[Seat]) -> list[Seat]:
    """The roles of an engine in int4, where a proven one exists; else as they were."""
    seats = list(group)
    if all(proven(seat) for seat in seats):
        return [seat if seat.int4 else _in_int4(seat) for seat in seats]
    if len(seats) == 1 and _cheaper_unmerged(seats[0]):
        return [_unmerged(seats[0])]
    return seats


def together(seat: Seat) -> Seat:
    """A role whose merged twin is too much, with its activated LoRA on the embedded engine of its base."""
    why = "its merged twin would not fit: its activated LoRA shares the embedded engine of its base"
    return replace(seat, engine=EMBEDDED, merged=False, int4=False, why=(why,))


def can_join(seat: Seat) -> bool:
    """Whether `together` is a choice for it."""
    return seat.wish.kind == "twin" and seat.merged and not seat.wish.engine


def proven(seat: Seat) -> bool:
    """Whether int4 weights that passed the gate exist for it, in a format that its engine reads."""
    method = seat.wish.merged if seat.merged else seat.wish.weights.proven
    if seat.engine == LORA:
        return method == "awq"
    return seat.engine == TURBOMIND and bool(method)


def _packs(seat: Seat, machine: Machine) -> bool:
    """Whether the embedded engine may decode its replies in int4. Its base stays: that saves nothing that it needs."""
    return seat.engine == EMBEDDED and not machine.gpu and seat.wish.weights.packs


def _chosen(wish: Wish, loras: int, machine: Machine) -> tuple[str, bool, str]:
    """Engine, whether merged, and why."""
    if wish.elsewhere:
        return ELSEWHERE, False, wish.elsewhere
    if wish.engine not in ("", EMBEDDED, TURBOMIND, LORA):
        return ELSEWHERE, False, f"the engine {wish.engine} holds no weights here"
    if not machine.gpu:
        return EMBEDDED, False, NO_GPU
    if wish.engine:
        return _named(wish)
    if wish.kind == "alora":
        return EMBEDDED, False, ONLY_ACTIVATED
    if wish.weights.unfit:
        return EMBEDDED, False, wish.weights.unfit
    return _spread(wish, loras)


def _named(wish: Wish) -> tuple[str, bool, str]:
    """The engine that is named, where it can do what the role wants."""
    if wish.engine == EMBEDDED:
        return EMBEDDED, False, NAMED
    if wish.kind == "alora":
        return REFUSED, False, NO_TWIN.format(role=wish.role)
    if wish.engine == LORA:
        problem = wish.unfit if wish.kind in ("lora", "twin") else ""
        return (REFUSED, False, f"{LORA} would get its LoRA wrong: {problem}") if problem else (LORA, False, NAMED)
    if wish.weights.unfit:
        return REFUSED, False, wish.weights.unfit
    return TURBOMIND, wish.kind in ("lora", "twin"), NAMED


def _spread(wish: Wish, loras: int) -> tuple[str, bool, str]:
    """Between LMDeploy's two engines."""
    if wish.kind in ("none", "own"):
        return TURBOMIND, False, NO_ADAPTER if wish.kind == "none" else OWN_WEIGHTS
    if wish.kind == "twin":
        return TURBOMIND, True, TWIN
    if wish.unfit:
        return TURBOMIND, True, UNFIT_LORA.format(problem=wish.unfit)
    if loras > 1:
        return LORA, False, MANY_LORAS.format(count=loras)
    if wish.int4 and _dearer_merged(wish):
        return LORA, False, DEARER
    return TURBOMIND, True, LONE_LORA


def _shares(wish: Wish, machine: Machine) -> bool:
    """Whether a role's ordinary LoRA can be served beside others of its base."""
    if not machine.gpu or wish.elsewhere or wish.unfit or wish.weights.unfit:
        return False
    return wish.engine == LORA or (wish.kind == "lora" and not wish.engine)


def _dearer_merged(wish: Wish) -> bool:
    return wish.weights.proven == "awq" and not wish.merged


def _cheaper_unmerged(seat: Seat) -> bool:
    wish = seat.wish
    return seat.merged and wish.kind == "lora" and not (wish.engine or wish.unfit) and _dearer_merged(wish)


def _packed(seat: Seat) -> Seat:
    """A role whose weights are stored quantized: only what reads these can speak for it."""
    if seat.engine in (ELSEWHERE, REFUSED):
        return seat
    if seat.merged:
        return replace(seat, engine=REFUSED, why=(PACKED_MERGED,))
    if not proven(seat):
        problem = PACKED.format(method=seat.wish.weights.proven, engine=seat.engine)
        return replace(seat, engine=REFUSED, why=(problem,))
    return replace(seat, int4=True)


def _in_int4(seat: Seat) -> Seat:
    return replace(seat, int4=True, why=(*seat.why, "int4: in 16 bit not all would fit"))


def _unmerged(seat: Seat) -> Seat:
    return replace(seat, engine=LORA, merged=False, int4=True, why=(DEARER, "int4: in 16 bit not all would fit"))
