"""Pictures made to do harm: each is refused with a sentence that names the file, at once and without a trace."""

import base64
import json
import struct
import zlib
from pathlib import Path

import pytest

from tests.cards.conftest import Launch
from tests.cards.samples import CARD, SIGNATURE, chunk, picture, text_chunk

HEAD = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
BAD = {
    "no card": picture(),
    "signature only": SIGNATURE,
    "huge length": SIGNATURE + struct.pack(">I", 0xFFFFFFFF) + b"tEXt" + b"chara\0",
    "cut off": picture(text_chunk(b"chara", CARD))[:-40],
    "cut within a head": SIGNATURE + HEAD + b"\0\0",
    "wrong checksum": picture(chunk(b"tEXt", b"chara\0" + base64.b64encode(b"{}"), crc=1)),
    "no base64": picture(chunk(b"tEXt", b"chara\0!!!!")),
    "odd base64": picture(chunk(b"tEXt", b"chara\0A")),
    "no json": picture(chunk(b"tEXt", b"chara\0" + base64.b64encode(b"\xff\xfe\0"))),
    "no object": picture(text_chunk(b"chara", [1])),
    "packed text": picture(chunk(b"zTXt", b"chara\0\0" + zlib.compress(bytes(1_000_000)))),
    "packed unicode": picture(chunk(b"iTXt", b"ccv3\0\1\0\0\0" + zlib.compress(bytes(1_000_000)))),
    "deep": picture(chunk(b"tEXt", b"ccv3\0" + base64.b64encode(b'{"name":"a","b":' + b"[" * 100_000))),
    "many chunks": SIGNATURE + chunk(b"tEXt", b"") * 100_001,
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_bad_picture_is_told(world: Path, launch: Launch, data: bytes) -> None:
    (world / "bad.png").write_bytes(data)
    done = launch("role", "import", "bad.png")
    assert (done.status, done.err.startswith("error: bad.png: ")) == (1, True), done.err
    assert [*(world / "roles").iterdir()] == []


def test_the_newer_chunk_counts_if_both_are_there(world: Path, launch: Launch) -> None:
    data = picture(text_chunk(b"ccv3", {**CARD, "data": {**CARD["data"], "name": "New"}}), text_chunk(b"chara", CARD))
    (world / "both.png").write_bytes(data)
    assert launch("role", "import", "both.png").status == 0
    kept = json.loads((world / "roles/new/card.json").read_text("utf-8"))
    assert kept["data"]["name"] == "New"


def test_no_such_file_is_told(world: Path, launch: Launch) -> None:
    done = launch("role", "import", "none.png")
    assert (done.status, "none.png" in done.err) == (1, True)
    assert launch("role", "import", world).status == 1
