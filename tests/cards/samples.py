"""Cards and archives for tests, in the shape that other programs write."""

import base64
import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIGNATURE = b"\x89PNG\r\n\x1a\n"

CARD: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "create_date": "2024-5-1",
    "name": "Mara Vell",
    "data": {
        "name": "Mara Vell",
        "description": "{{char}} keeps the light on Gull Rock. She has known {{user}} for years.",
        "personality": "dry, patient",
        "scenario": "A storm night.",
        "first_mes": '*looks up from the lens* "Good evening, {{user}}. {{random:Sit,Stand}} down."',
        "mes_example": "<START>\n{{user}}: Is the lamp lit?\n{{char}}: *nods* It is.\nIt always is.\n"
        "<START>\n{{char}}: Hm.",
        "creator_notes": "Best in bad weather.",
        "system_prompt": "{{original}} Speak briefly.",
        "post_history_instructions": "",
        "alternate_greetings": ["You again, {{user}}?"],
        "tags": ["sea"],
        "creator": "nobody in particular",
        "character_version": "1.1",
        "extensions": {"talkativeness": "0.7", "other_program": {"x": [1, None, True]}},
        "character_book": {
            "name": "Rock",
            "extensions": {},
            "entries": [
                {
                    "keys": ["lens"],
                    "content": "{{char}} polishes the lens at noon.",
                    "extensions": {"odd": 1},
                    "enabled": True,
                    "insertion_order": 3,
                }
            ],
        },
        "a_field_nobody_knows": {"deep": ["kept"]},
    },
}

CHINESE: dict[str, Any] = {
    "name": "安吉拉",
    "description": "{{char}}是图书馆的管理员。她认识{{user}}很久了。",
    "personality": "冷静",
    "scenario": "",
    "first_mes": "*合上书* 晚上好，{{user}}。",
    "mes_example": "<START>\n{{user}}：灯亮了吗？\n{{char}}：亮了，{{user}}。",
}


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def text_chunk(keyword: bytes, card: object) -> bytes:
    return chunk(b"tEXt", keyword + b"\0" + base64.b64encode(json.dumps(card).encode()))


def picture(*chunks: bytes) -> bytes:
    """A picture of one pixel with more chunks in it."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"".join((SIGNATURE, head, chunk(b"IDAT", zlib.compress(b"\0\0")), *chunks, chunk(b"IEND", b"")))


def json_file(path: Path, card: object, encoding: str = "utf-8") -> Path:
    path.write_bytes(json.dumps(card, ensure_ascii=False).encode(encoding))
    return path


def zip_file(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


ROLE_FILES = {
    "role/role.toml": b'name = "Mara Vell"\nlanguage = "en"\n',
    "role/persona.md": b"Keeps the light.\n",
    "role/lines.jsonl": b"",
}


def manifest_of(files: Mapping[str, bytes], /, **changes: Any) -> bytes:
    listed = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]
    return json.dumps({"format": "chatroom-role", "version": 1, "id": "mara", "files": listed, **changes}).encode()


def package_file(path: Path, files: Mapping[str, bytes] = ROLE_FILES, /, **changes: Any) -> Path:
    """A package whose manifest tells the truth, but for what is changed."""
    return zip_file(path, {**files, "manifest.json": manifest_of(files, **changes)})
