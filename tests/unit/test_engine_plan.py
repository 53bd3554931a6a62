"""Who shares an engine and what fits, by hand: real shapes, twelve mixes of roles, four sizes of memory."""

from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatroom.engine_plan import Machine, Plan, PlannedEngine, Weights, Wish, plan
from chatroom.engine_plan.sizes import (
    Shape,
    Tensor,
    copy_bytes,
    end_bytes,
    half_bytes,
    head_bytes,
    int4_bytes,
    kv_bytes,
    packed_copy_bytes,
)
from chatroom.engine_plan.table import summary, table
from chatroom.engine_plan.wishes import Kind
from chatroom.engines._cache_share import CUDA_CONTEXT, cache_share

GIB, MIB = 1 << 30, 1 << 20
SIZES = (8, 16, 24, 80)

# --- models by their real shapes --------------------------------------------------------------------------------------

CONFIGS = {  # hidden, intermediate, layers, heads, heads of keys and values, size of a head, vocabulary, own head
    "0.5B": (896, 4864, 24, 14, 2, 64, 151_936, False),
    "1.5B": (1536, 8960, 28, 12, 2, 128, 151_936, False),
    "7B": (3584, 18_944, 28, 28, 4, 128, 152_064, True),
    "14B": (5120, 13_824, 48, 40, 8, 128, 152_064, True),
}


def tensors(name: str) -> list[Tensor]:
    """The tensors of a Qwen2.5 of this size."""
    hidden, inner, layers, heads, kv_heads, head, vocabulary, own_head = CONFIGS[name]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for at in range(layers):
        part = f"model.layers.{at}"
        for each, rows in (("q", heads * head), ("k", kv_heads * head), ("v", kv_heads * head)):
            shapes |= {f"{part}.self_attn.{each}_proj.weight": (rows, hidden)}
            shapes |= {f"{part}.self_attn.{each}_proj.bias": (rows,)}
        shapes |= {f"{part}.self_attn.o_proj.weight": (hidden, heads * head)}
        shapes |= {f"{part}.mlp.{each}_proj.weight": (inner, hidden) for each in ("gate", "up")}
        shapes |= {f"{part}.mlp.down_proj.weight": (hidden, inner)}
        shapes |= {f"{part}.{each}_layernorm.weight": (hidden,) for each in ("input", "post_attention")}
    shapes |= {"model.norm.weight": (hidden,)}
    shapes |= {"lm_head.weight": (vocabulary, hidden)} if own_head else {}
    return [Tensor(name=key, dtype="BF16", shape=shape, bytes=0) for key, shape in shapes.items()]


def model(name: str, *, proven: str = "", unfit: str = "", id: str = "") -> Weights:
    shape = CONFIGS[name]
    return Weights(
        id=id or name,
        name=id or name,
        half=half_bytes(tensors(name)),
        int4=int4_bytes(tensors(name)),
        head=head_bytes(tensors(name)),
        copy=copy_bytes(tensors(name)),
        packed_copy=packed_copy_bytes(tensors(name)),
        end=end_bytes(tensors(name)),
        kv=kv_bytes(Shape(layers=shape[2], heads=shape[4], head_dim=shape[5], context=32_768)),
        context=32_768,
        proven=proven,
        unfit=unfit,
    )


GPTQ, AWQ = "compressed-tensors", "awq"
SMALL, MIDDLE, LARGE, HUGE = (model(name) for name in CONFIGS)
ADAPTER = 80 * MIB


def gpu(gibs: float) -> Machine:
    return Machine(gpu=True, memory=int(gibs * GIB), free=int(gibs * GIB))


def cpu(gibs: float, *, half_units: bool = True, keeps: int = GIB) -> Machine:
    size = int(gibs * GIB)
    return Machine(gpu=False, memory=size, free=size, half_units=half_units, keeps=keeps)


def role(id: str, weights: Weights, kind: Kind = "none", **more: object) -> Wish:
    """A role in one room with a context of 8192; adapters of 80 MiB."""
    adapter = 0 if kind in ("none", "own") else ADAPTER
    wish = Wish(
        role=id, weights=weights, kind=kind, context=8192, rooms=("inn",), adapter=adapter,
        lora=ADAPTER if kind == "twin" else 0,
    )  # fmt: skip
    return replace(wish, **more)


def roles(ids: str, weights: Weights, kind: Kind = "none", **more: object) -> list[Wish]:
    return [role(id_, weights, kind, **more) for id_ in ids]


# --- sizes, by hand ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "half", "int4", "head", "kv"),
    [
        # 494,032,768 weights; 24 layers x 14,909,440 of them in matrices that shrink, all others in 16 bit
        (SMALL, 988_065_536, 988_065_536 - 24 * 14_909_440 * 2 + 24 * 14_909_440 * 17 // 32, 151_936 * 896 * 2, 12_288),
        # 1,543,714,304 weights; 28 layers x 46,792,704
        (MIDDLE, 3_087_428_608, 3_087_428_608 - 28 * 46_792_704 * 47 // 32, 151_936 * 1536 * 2, 28_672),
        # 7,615,616,512 weights; 28 layers x 233,046,016; a head of its own
        (LARGE, 15_231_233_024, 15_231_233_024 - 28 * 233_046_016 * 47 // 32, 0, 57_344),
        # 14,770,033,664 weights; 48 layers x 275,251,200
        (HUGE, 29_540_067_328, 29_540_067_328 - 48 * 275_251_200 * 47 // 32, 0, 196_608),
    ],
)
def test_a_model_is_as_large_as_published(weights: Weights, half: int, int4: int, head: int, kv: int) -> None:
    assert (weights.half, weights.int4, weights.head, weights.kv) == (half, int4, head, kv)


@pytest.mark.parametrize(
    ("weights", "copy", "packed", "end"),
    [
        # the matrices that shrink; packed, 64 share 4 bytes: 9/16 of a byte each; the embeddings speak
        (SMALL, 24 * 14_909_440 * 2, 24 * 14_909_440 * 9 // 16, 151_936 * 896 * 2),
        # a head of its own
        (LARGE, 28 * 233_046_016 * 2, 28 * 233_046_016 * 9 // 16, 152_064 * 3584 * 2),
    ],
)
def test_a_copy_for_decoding_has_the_inner_matrices(weights: Weights, copy: int, packed: int, end: int) -> None:
    assert (weights.copy, weights.packed_copy, weights.end) == (copy, packed, end)


def test_rows_that_do_not_divide_stay_wide() -> None:
    odd = Tensor(name="model.layers.0.mlp.up_proj.weight", dtype="BF16", shape=(256, 200), bytes=0)
    assert int4_bytes([odd]) == half_bytes([odd]) == 256 * 200 * 2
    assert packed_copy_bytes([odd]) == 256 * 200 * 4


def test_packed_weights_are_taken_as_stored() -> None:
    packed = Tensor(name="model.layers.0.mlp.up_proj.weight_packed", dtype="I32", shape=(256, 16), bytes=16_384)
    assert int4_bytes([packed]) == half_bytes([packed]) == 16_384


# --- twelve mixes, four sizes, by hand --------------------------------------------------------------------------------

# What one engine needs at least in GiB: weights + 1.00 overhead + one context of 8192 (LMDeploy: and a block).
#
#                    LMDeploy 16 bit            LMDeploy int4               embedded, 16 bit
#   0.5B   0.92 + 0.25 head + 1 + 0.09 =  2.27   (1.15 + 1 + 0.09 = 2.25)    0.92 + 1 + 0.09 =  2.01
#   1.5B   2.88 + 0.43 head + 1 + 0.22 =  4.53    1.52 + 1 + 0.22 =  2.74    2.88 + 1 + 0.22 =  4.09
#   7B    14.19             + 1 + 0.44 = 15.63    5.26 + 1 + 0.44 =  6.70   14.19 + 1 + 0.44 = 15.62
#   14B   27.51             + 1 + 1.51 = 30.02    9.44 + 1 + 1.51 = 11.95   27.51 + 1 + 1.50 = 30.01
#
# An adapter of 80 MiB is 0.08; an activated one on the embedded engine is held twice: 0.16. Roles are single letters;
# who spoke last comes first. "ab turbomind 7B int4 x1": a and b share a TurboMind engine with 7B in int4 whose cache
# holds one context.

MIXES: dict[str, tuple[list[Wish], dict[int, str]]] = {
    "four bare roles share 7B": (
        roles("abcd", model("7B", proven=GPTQ)),
        {
            8: "abcd turbomind 7B int4 x1",  # 15.63 > 8; 6.70
            16: "abcd turbomind 7B 16 bit x1",  # 15.63
            24: "abcd turbomind 7B 16 bit x1",
            80: "abcd turbomind 7B 16 bit x1",
        },
    ),
    "no int4, but a fallback": (
        roles("abcd", LARGE, fallback=MIDDLE),
        {
            8: "abcd turbomind 1.5B 16 bit x1",  # 15.63 > 8, unproven; fallback 4.53
            16: "abcd turbomind 7B 16 bit x1",
            24: "abcd turbomind 7B 16 bit x1",
            80: "abcd turbomind 7B 16 bit x1",
        },
    ),
    "two bases": (
        [*roles("ab", model("7B", proven=GPTQ)), *roles("cd", model("1.5B", proven=GPTQ))],
        {
            8: "ab turbomind 7B int4 x1 | cd stopped",  # 6.70 + 2.74 = 9.44
            16: "ab turbomind 7B int4 x1 | cd turbomind 1.5B int4 x1",  # 15.63 + 2.74 = 18.37 > 16; 9.44
            24: "ab turbomind 7B 16 bit x1 | cd turbomind 1.5B 16 bit x1",  # 15.63 + 4.53 = 20.16
            80: "ab turbomind 7B 16 bit x1 | cd turbomind 1.5B 16 bit x1",
        },
    ),
    "a lone LoRA beside its bare base": (
        [role("a", model("7B", proven=GPTQ), "lora"), role("b", model("7B", proven=GPTQ))],
        {
            8: "b turbomind 7B int4 x1 | a refused",  # a merged has no int4: 15.63
            16: "a turbomind 7B + a's LoRA 16 bit x1 | b stopped",  # 15.63 + 6.70 = 22.33
            24: "a turbomind 7B + a's LoRA 16 bit x1 | b turbomind 7B int4 x1",  # 22.33
            80: "a turbomind 7B + a's LoRA 16 bit x1 | b turbomind 7B 16 bit x1",  # 31.25
        },
    ),
    "a lone LoRA over a base with AWQ": (
        [role("a", model("7B", proven=AWQ), "lora"), role("b", model("7B", proven=AWQ))],
        {
            8: "a lmdeploy_lora 7B int4 x1 | b stopped",  # 6.78 + 6.70 = 13.48
            16: "a lmdeploy_lora 7B int4 x1 | b turbomind 7B int4 x1",  # 13.48
            24: "a turbomind 7B + a's LoRA 16 bit x1 | b turbomind 7B int4 x1",  # 15.63 + 6.70 = 22.33
            80: "a turbomind 7B + a's LoRA 16 bit x1 | b turbomind 7B 16 bit x1",
        },
    ),
    "three LoRAs in two rooms": (
        roles("abc", model("7B", proven=AWQ), "lora", rooms=("inn", "attic")),
        {
            8: "abc lmdeploy_lora 7B int4 x3",  # 5.26 + 0.23 + 1 = 6.49; 1.51 / 0.44 = 3
            16: "abc lmdeploy_lora 7B 16 bit x1",  # 14.19 + 0.23 + 1 = 15.42; 0.58 / 0.44 = 1
            24: "abc lmdeploy_lora 7B 16 bit x6",  # 3 roles x 2 rooms keep a transcript each
            80: "abc lmdeploy_lora 7B 16 bit x6",
        },
    ),
    "four activated LoRAs": (
        roles("abcd", MIDDLE, "alora"),
        dict.fromkeys(SIZES, "abcd transformers_peft 1.5B 16 bit x1"),  # 4.09 + 4 x 0.16 = 4.72
    ),
    "four twins": (
        roles("abcd", LARGE, "twin"),
        {
            8: "a refused | b refused | c refused | d refused",  # 15.63, or 15.78 on the embedded engine
            16: "a turbomind 7B + a's LoRA 16 bit x1 | b stopped | c stopped | d stopped",  # all together 16.25
            24: "abcd transformers_peft 7B 16 bit x1",  # 4 x 15.63; together 15.62 + 4 x 0.16 = 16.25
            80: " | ".join(f"{id_} turbomind 7B + {id_}'s LoRA 16 bit x1" for id_ in "abcd"),  # 62.5
        },
    ),
    "two twins with int4, and a small one": (
        [*roles("ab", model("7B", proven=GPTQ, id="B"), "twin", merged=GPTQ), role("c", SMALL)],
        {
            8: "a turbomind B + a's LoRA int4 x1 | b stopped | c stopped",  # 6.70; 13.40
            16: "a turbomind B + a's LoRA int4 x1 | b turbomind B + b's LoRA int4 x1 | c turbomind 0.5B 16 bit x1",
            # 6.70 + 6.70 + 2.27 = 15.67; at 24: 15.63 + 6.70 + 2.27 = 24.60 is too much
            24: "a turbomind B + a's LoRA int4 x1 | b turbomind B + b's LoRA int4 x1 | c turbomind 0.5B 16 bit x1",
            80: "a turbomind B + a's LoRA 16 bit x1 | b turbomind B + b's LoRA 16 bit x1 | c turbomind 0.5B 16 bit x1",
        },
    ),
    "a huge one that wants int4": (
        [role("a", model("14B", proven=GPTQ), int4=True), *roles("bc", SMALL)],
        {
            8: "bc turbomind 0.5B 16 bit x1 | a refused",  # 11.95 > 8
            16: "a turbomind 14B int4 x1 | bc turbomind 0.5B 16 bit x1",  # 11.95 + 2.27 = 14.22
            24: "a turbomind 14B int4 x1 | bc turbomind 0.5B 16 bit x1",
            80: "a turbomind 14B int4 x1 | bc turbomind 0.5B 16 bit x1",  # wanted, not forced
        },
    ),
    "an activated LoRA, own weights, a bare base": (
        [
            role("a", LARGE, "alora"),
            role("b", model("7B", id="own"), "own"),
            role("c", model("7B", proven=GPTQ, id="x")),
        ],
        {
            8: "c turbomind x int4 x1 | a refused | b refused",  # 15.78, 15.63, 6.70
            16: "a transformers_peft 7B 16 bit x1 | b stopped | c stopped",
            24: "a transformers_peft 7B 16 bit x1 | b stopped | c stopped",  # 8.22 left: b waits, c may not overtake
            80: "a transformers_peft 7B 16 bit x1 | b turbomind own 16 bit x1 | c turbomind x 16 bit x1",  # 46.95
        },
    ),
    "a server, an unknown architecture, a middle one": (
        [
            role("a", LARGE, elsewhere="http://127.0.0.1:1/v1"),
            role("b", model("7B", unfit="TurboMind can't run it")),
            role("c", model("1.5B", proven=GPTQ)),
        ],
        {
            8: "c turbomind 1.5B 16 bit x1 | a elsewhere | b refused",
            16: "b transformers_peft 7B 16 bit x1 | c stopped | a elsewhere",  # 15.62 + 2.74 = 18.36
            24: "b transformers_peft 7B 16 bit x1 | c turbomind 1.5B 16 bit x1 | a elsewhere",  # 20.15
            80: "b transformers_peft 7B 16 bit x1 | c turbomind 1.5B 16 bit x1 | a elsewhere",
        },
    ),
}


def shown(decided: Plan) -> str:
    """A plan in the words of the table above."""
    parts = [_engine(engine, decided) for engine in decided.engines]
    parts += [f"{row.role} {row.state}" for row in decided.rows if row.at is None]
    return " | ".join(parts)


def _engine(engine: PlannedEngine, decided: Plan) -> str:
    ids = "".join(engine.roles)
    if engine.state == "stopped":
        return f"{ids} stopped"
    kv = {"0.5B": 12_288, "1.5B": 28_672}.get(engine.name.split()[0], 196_608 if "14B" in engine.name else 57_344)
    return f"{ids} {engine.engine} {engine.name} {engine.precision} x{engine.cache // (8192 * kv)}"


CASES = [(mix, size) for mix in MIXES for size in SIZES]


@pytest.mark.parametrize(("mix", "size"), CASES, ids=[f"{mix}, {size} GiB" for mix, size in CASES])
def test_a_mix_is_planned_as_by_hand(mix: str, size: int) -> None:
    wishes, expected = MIXES[mix]
    assert shown(plan(wishes, gpu(size))) == expected[size]


# --- reasons ----------------------------------------------------------------------------------------------------------


def reasons(wishes: Sequence[Wish], machine: Machine) -> dict[str, str]:
    return {row.role: row.reason for row in plan(wishes, machine).rows}


@pytest.mark.parametrize(
    ("wish", "size", "said"),
    [
        (role("a", LARGE, "alora"), 80, "no LMDeploy engine runs those"),
        (role("a", LARGE, "alora", engine="turbomind"), 80, "launch.py finetune a --kind both"),
        (role("a", LARGE, "lora", unfit="it is a DoRA"), 80, "it is a DoRA"),
        (role("a", LARGE, "lora", unfit="it is a DoRA", engine="lmdeploy_lora"), 80, "would get its LoRA wrong"),
        (role("a", LARGE, int4=True), 80, "no int4 of it has passed the gate"),
        (role("a", LARGE), 8, "too large: 15.63 GiB (7B in 16 bit 14.19 GiB, overhead 1.00 GiB, KV 0.44 GiB) of 8.00"),
        (role("a", LARGE, fallback=HUGE), 8, "nor does its fallback 14B: too large: 30.02 GiB"),
        (role("a", LARGE, fallback=SMALL), 8, "speaks with its fallback 0.5B: its own is too large: 15.63 GiB"),
        (role("a", model("7B", proven=GPTQ)), 8, "int4: in 16 bit not all would fit"),
        (role("a", replace(LARGE, packed=True, proven=GPTQ), "lora"), 80, "can't be merged into weights"),
        (role("a", replace(LARGE, packed=True, proven=GPTQ), engine="transformers_peft"), 80, "does not read"),
        (role("a", LARGE, engine="scripted"), 80, "holds no weights here"),
        (role("a", SMALL, rooms=("one", "two", "three")), 2.4, "KV is 0.23 GiB of the 0.28 GiB"),
    ],
)
def test_a_reason_says_what_decided(wish: Wish, size: float, said: str) -> None:
    assert said in reasons([wish], gpu(size))["a"]


def test_a_stopped_role_is_told_the_numbers() -> None:
    wishes = [role("a", LARGE), role("b", model("7B", id="other"))]
    assert "15.63 GiB needed, 8.37 GiB left by those who spoke later" in reasons(wishes, gpu(24))["b"]


def test_who_spoke_last_keeps_its_engine() -> None:
    wishes = [role("a", LARGE, spoke=1), role("b", model("7B", id="other"), spoke=2)]
    assert shown(plan(wishes, gpu(24))) == "b turbomind other 16 bit x1 | a stopped"


def test_a_twin_sits_down_where_its_base_runs_anyway() -> None:
    wishes = [role("a", LARGE, "alora"), role("b", HUGE), role("c", LARGE, "twin")]
    assert shown(plan(wishes, gpu(40))) == "ac transformers_peft 7B 16 bit x1 | b stopped"


def test_a_twin_waits_for_an_engine_that_fits() -> None:
    decided = plan([role("a", SMALL), role("b", MIDDLE, "twin")], gpu(4.3))
    assert shown(decided) == "a turbomind 0.5B 16 bit x1 | b stopped"
    assert (decided.engines[1].engine, decided.engines[1].total <= decided.budget) == ("transformers_peft", True)


def test_what_is_left_goes_to_the_last_speaker_first() -> None:
    rooms = ("inn", "attic", "mill")
    decided = plan([role("a", LARGE, rooms=rooms), role("b", MIDDLE, rooms=rooms)], gpu(20.7))  # 15.63 + 4.53 = 20.16
    first, second = decided.engines
    assert 0.96 < first.cache / GIB < 0.99  # 0.44 + 0.54 that are left
    assert second.cache == (8192 + 64 + 64) * 28_672  # the rest of one block of a is a block of b
    assert 0 <= decided.left < 64 * 28_672


def test_one_who_wants_16_bit_is_enough() -> None:
    weights = model("1.5B", proven=GPTQ)
    wishes = [role("a", weights, int4=True), role("b", weights)]
    assert shown(plan(wishes, gpu(24))) == "ab turbomind 1.5B 16 bit x1"


# --- on a processor, by hand ------------------------------------------------------------------------------------------

# 0.5B with an overhead of 0.5 GiB and at most 1 GiB kept of transcripts, and again of weights to decode with. Where the
# processor computes in bfloat16: 0.92 + 0.5, KV 0.09 a context; the head packed 272,269,312 bytes, a copy 715,653,120.
# Elsewhere in 32 bit: 1.84 + 0.5, KV 0.19; no head, a copy of all that an adapter can change 1,431,306,240.

HEAD, COPY, PACKED_COPY = 272_269_312, 715_653_120, 201_277_440
MIXED = [*roles("ab", SMALL), role("c", SMALL, "twin"), role("d", SMALL, "lora"), role("e", MIDDLE)]


def test_without_a_gpu_all_stay_embedded() -> None:
    decided = plan(MIXED, cpu(8))  # 0.92 + 3 x 0.08 + 0.5 + 0.19 + 0.92 = 2.76; 2.88 + 0.5 + 0.22 = 3.59
    assert shown(decided) == "abcd transformers_peft 0.5B 16 bit x2 | e transformers_peft 1.5B 16 bit x1"
    assert all("no GPU" in row.reason for row in decided.rows)
    assert [engine.decoding for engine in decided.engines] == [
        HEAD + COPY,
        0,
    ]  # a second one is over 1 GiB; so is 1.5B's


def test_without_bfloat16_units_it_takes_twice_as_much() -> None:
    decided = plan(MIXED, cpu(8, half_units=False))  # 1.84 + 0.47 + 0.5 + 0.38 = 3.19; 5.75 + 0.5 + 0.44 = 6.69
    first, second = decided.engines
    assert (first.precision, first.state, second.state) == ("32 bit", "runs", "stopped")
    assert first.weight_bytes == 2 * (988_065_536 + 3 * ADAPTER)
    assert (first.cache, first.decoding) == (2 * 8192 * 24_576, GIB)


def test_a_bare_base_in_32_bit_needs_no_copy() -> None:
    (engine,) = plan(roles("ab", SMALL), cpu(8, half_units=False)).engines
    assert engine.total == 2 * 988_065_536 + 512 * MIB + 8192 * 24_576


def test_a_base_of_4_megabytes_stays_in_32_bit() -> None:
    small, larger = (replace(SMALL, half=size) for size in (4_000_000, 4_000_002))
    assert [plan([role("a", each)], cpu(8)).engines[0].precision for each in (small, larger)] == ["32 bit", "16 bit"]


def test_what_is_kept_stays_within_the_setting() -> None:
    (engine,) = plan(roles("ab", SMALL, rooms=tuple("123456789")), cpu(8, keeps=256 * MIB)).engines
    assert engine.cache == engine.cache_most == 256 * MIB  # of 9 x 96 MiB
    assert engine.decoding == 0  # 3 x the head and one copy are both more than 256 MiB


def test_a_transcript_grows_by_doubling() -> None:
    (engine,) = plan([role("a", SMALL, context=5000)], cpu(8)).engines
    assert engine.cache == 8192 * 12_288


def test_too_little_memory_makes_replies_slower() -> None:
    least = 988_065_536 + 512 * MIB + 2 * 96 * MIB  # one context, and as much of weights: the engine has one bound
    decided = plan([role("a", SMALL)], cpu((least + 256 * MIB) / GIB))
    (engine,) = decided.engines
    assert engine.cache == 96 * MIB
    assert engine.decoding == 96 * MIB + 341 * 786_432  # 256 MiB are 341.3 blocks
    assert "some replies are slower: 0.34 GiB of 0.92 GiB" in decided.rows[0].reason
    assert plan([role("a", SMALL)], cpu((least - 1) / GIB)).rows[0].state == "refused"


def test_proven_int4_is_for_replies_only() -> None:
    weights = replace(SMALL, packs=True)
    (engine,) = plan(roles("ab", weights, int4=True), cpu(8)).engines
    assert (engine.packs, engine.precision) == (True, "16 bit, replies in int4")
    assert (engine.weight_bytes, engine.decoding) == (988_065_536, HEAD + PACKED_COPY)
    assert not plan(roles("ab", weights), cpu(8)).engines[0].packs


@pytest.mark.parametrize(
    ("machine", "packs", "others", "said"),
    [
        (cpu(8), False, True, "16 bit: no int4 of it has passed the gate for transformers_peft"),
        (cpu(8), True, False, "16 bit: others who share it want that"),
        (gpu(8), True, True, "16 bit: the embedded engine has int4 on a processor only"),
    ],
)
def test_no_int4_on_the_embedded_engine_has_a_reason(machine: Machine, packs: bool, others: bool, said: str) -> None:
    weights = replace(SMALL, packs=packs)
    wishes = [role("a", weights, "alora", int4=True), role("b", weights, "alora", int4=others)]
    decided = plan(wishes, machine)
    assert said in decided.rows[0].reason
    assert not decided.engines[0].packs


def test_an_empty_table_plans_nothing() -> None:
    assert (plan([], gpu(8)).engines, plan([], gpu(8)).left) == ((), 8 * GIB)


# --- cache shares -----------------------------------------------------------------------------------------------------


def test_a_share_is_of_what_is_free_then() -> None:
    first, second = plan([role("a", LARGE), role("b", MIDDLE)], gpu(24)).engines
    assert first.share == int(first.cache / (24 * GIB - first.weight_bytes - CUDA_CONTEXT) * 1e6) / 1e6
    then = 24 * GIB - first.total
    assert second.share == int(second.cache / (then - second.weight_bytes - CUDA_CONTEXT) * 1e6) / 1e6


def test_a_share_counts_all_that_is_free_not_the_budget() -> None:
    machine = Machine(gpu=True, memory=24 * GIB, free=79 * GIB)
    (engine,) = plan([role("a", LARGE)], machine).engines
    assert engine.share * (79 * GIB - engine.weight_bytes - CUDA_CONTEXT) <= engine.cache


@pytest.mark.parametrize(("cache", "free"), [(0, GIB), (GIB, 0), (GIB, GIB), (5 * GIB, 4 * GIB)])
def test_a_share_is_never_a_count_of_blocks(cache: int, free: int) -> None:
    assert 0 <= cache_share(cache, free, 0) < 1


# --- what holds for every mix -----------------------------------------------------------------------------------------

KINDS: tuple[Kind, ...] = ("none", "lora", "alora", "twin", "own")
NAMES = tuple(CONFIGS)
BASES = {
    (name, proven): replace(model(name, proven=proven), packs=proven == GPTQ)
    for name in NAMES
    for proven in ("", AWQ, GPTQ)
}


@st.composite
def mixes(draw: st.DrawFn, fallback: bool = True) -> list[Wish]:
    methods = draw(st.tuples(*[st.sampled_from(("", AWQ, GPTQ)) for _ in NAMES]))
    bases = [BASES[each] for each in zip(NAMES, methods, strict=True)]
    wishes = []
    for at in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(KINDS))
        base = draw(st.sampled_from(bases))
        weights = replace(base, id=f"own{at}") if kind == "own" else base
        wishes.append(
            role(
                str(at), weights, kind,
                int4=draw(st.booleans()),
                rooms=draw(st.sampled_from(((), ("inn",), ("inn", "attic", "mill", "well")))),
                spoke=draw(st.integers(0, 3)),
                merged=draw(st.sampled_from(("", GPTQ))),
                unfit=draw(st.sampled_from(("", "it is a DoRA"))),
                fallback=draw(st.sampled_from((None, *bases))) if fallback else None,
            )
        )  # fmt: skip
    return wishes


def machines(gibs: st.SearchStrategy[float]) -> st.SearchStrategy[Machine]:
    return st.builds(lambda make, size: make(size), st.sampled_from((gpu, cpu, partial(cpu, half_units=False))), gibs)


memories = machines(st.floats(0.5, 120))


@settings(max_examples=150, deadline=None)
@given(mixes(), memories)
def test_no_start_goes_over_the_budget(wishes: list[Wish], machine: Machine) -> None:
    decided, taken = plan(wishes, machine), 0
    for engine in decided.engines:
        if engine.state == "runs":
            given_cache = engine.share * (machine.free - taken - engine.weight_bytes - CUDA_CONTEXT)
            assert given_cache <= engine.cache
            assert engine.share < 1
            taken += engine.total
            assert taken <= machine.budget
        assert engine.total <= machine.budget
    assert (decided.used, decided.left) == (taken, machine.budget - taken)


@settings(max_examples=150, deadline=None)
@given(mixes(), memories)
def test_every_role_has_one_row_with_a_reason(wishes: list[Wish], machine: Machine) -> None:
    decided = plan(wishes, machine)
    assert sorted(row.role for row in decided.rows) == sorted(wish.role for wish in wishes)
    assert all(row.reason for row in decided.rows)
    assert all(row.role in decided.engines[row.at].roles for row in decided.rows if row.at is not None)
    assert decided == plan(wishes, machine)
    assert [len(line) for line in table(decided)] == [12] * (len(wishes) + 1)
    assert summary(decided)


@settings(max_examples=150, deadline=None)
@given(mixes(), memories)
def test_a_cache_holds_at_least_one_context(wishes: list[Wish], machine: Machine) -> None:
    decided = plan(wishes, machine)
    kv = {wish.role: min(wish.weights.kv, (wish.fallback or wish.weights).kv) for wish in wishes}
    for engine in decided.engines:
        assert 8192 * min(kv[id_] for id_ in engine.roles) <= engine.cache <= engine.cache_most


@settings(max_examples=300, deadline=None)
@given(mixes(), memories, st.floats(0, 60))
def test_more_memory_stops_nobody(wishes: list[Wish], machine: Machine, more: float) -> None:
    larger = machine.budget + int(more * GIB)
    before, after = plan(wishes, machine), plan(wishes, replace(machine, memory=larger, free=larger))
    states = {row.role: row.state for row in after.rows}
    assert all(states[row.role] in ("runs", "stopped") for row in before.rows if row.state in ("runs", "stopped"))
    if could_all_speak(before):
        assert [row.role for row in before.rows if row.state == "runs" and states[row.role] != "runs"] == []


def could_all_speak(decided: Plan) -> bool:
    """Whether nobody was refused, or put on a fallback base, for want of memory."""
    return not any("too large" in row.reason for row in decided.rows)


def test_who_could_not_speak_may_stop_others() -> None:
    wishes = [role("a", LARGE), role("b", SMALL)]
    assert shown(plan(wishes, gpu(12))) == "b turbomind 0.5B 16 bit x1 | a refused"
    assert shown(plan(wishes, gpu(16))) == "a turbomind 7B 16 bit x1 | b stopped"
