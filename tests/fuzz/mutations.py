"""Mutations of files: of bytes, YAML and JSON, of the chunks of a PNG, the segments of a JPEG, and of archives."""

import copy
import json
import random
import struct
import zipfile
import zlib
from io import BytesIO
from typing import Any

VALUES: list[Any] = [
    None, True, 0, -1, 1, 0.5, -0.0, 2**31, 2**63, 2**64, 10**30, 1e5, 100_001, 1e300, float("inf"), float("nan"),
    "", "car", "\0", "../../a", "\ud800", "a" * 5000, [], {}, [[]], [[1, 2]], {"": 0}, [0] * 1000,
]  # fmt: skip
CHUNKS = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"zTXt", b"eXIf", b"cICP"]
NUMBERS = [0, 1, 2, 3, 4, 6, 8, 16, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1]
PIECES = [
    "0", "-1", "-0.0", ".nan", ".inf", "-.inf", "1e999", "1180591620717411303424", "9" * 400, "true", "null", "''", "x",
    "[]", "{}", "[[", "]]", "{", "}", ": ", ":", "\t", "\n", "- ", "&a ", "*a", "<<: ", "!!set ", "!!binary ", "!!x ",
    "? ", "| ", "> ", "# ", "%", "@", "`", "'", '"', "\0", "\ud7ff", "\\", "---\n", "...\n", "2021-13-45", "0x", "0o9",
    "1_0", "../", "/", "a" * 300, ", ",
]  # fmt: skip
HEADERS = ["|O", "<f8", "<i4", "<i8", "|b1", "|u1", "<U7", "<U9999999", "<M8[s]", "|V8", ">i4", "<i16"]


def mutate_bytes(content: bytes, dice: random.Random) -> bytes:
    """Flips, cuts, repeats or overwrites a few parts."""
    damaged = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 8])):
        place = dice.randrange(len(damaged) + 1)
        stop = min(len(damaged), place + dice.choice([1, 1, 4, 64, 1000]))
        damaged[place:stop] = dice.choice(
            [
                dice.randbytes(stop - place),
                bytes(stop - place),
                b"\xff" * (stop - place),
                b"",
                damaged[place:stop] * 2,
                struct.pack("<I", dice.choice(NUMBERS)),
                struct.pack(">I", dice.choice(NUMBERS)),
            ]
        )
    return bytes(damaged)


def mutate_text(text: str, dice: random.Random) -> str:
    """Returns the text with up to four pieces replaced, inserted, repeated, swapped or cut away."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(text) + 1)
        stop = min(len(text), start + dice.choice([0, 0, 1, 1, 5, 30, 300]))
        colon = text.find(": ", start)
        kind = dice.randrange(6)
        if kind == 0:
            text = text[:start] + dice.choice(PIECES) + text[start:]
        elif kind == 1:
            text = text[:start] + dice.choice(PIECES) + text[stop:]
        elif kind == 2:
            text = text[:start] + text[stop:]
        elif kind == 3:
            text = text[:stop] + text[start:]
        elif kind == 4:
            text = text[:start] + text[start:stop][::-1] + text[stop:]
        elif colon >= 0:  # the value of a key, so that the text stays YAML
            end = text.find("\n", colon) % (len(text) + 1)
            text = f"{text[: colon + 2]}{dice.choice(PIECES)}{text[end:]}"
    return text


def mutate_json(content: bytes, dice: random.Random) -> bytes:
    """Replaces, removes or repeats a few values."""
    if dice.random() < 0.3:
        return mutate_bytes(content, dice)
    tree = json.loads(content)
    for _ in range(dice.choice([1, 1, 2, 5])):
        parent: Any = tree
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            if not keys:
                break
            key = dice.choice(keys)
            if isinstance(parent[key], dict | list) and dice.random() < 0.8:
                parent = parent[key]
                continue
            action = dice.random()
            if action < 0.7:
                parent[key] = copy.deepcopy(dice.choice(VALUES))
            elif action < 0.85:
                del parent[key]
            elif isinstance(parent, list):
                parent.extend([parent[key]] * dice.choice([1, 10, 1000]))
            break
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def mutate_png(content: bytes, dice: random.Random) -> bytes:
    """Changes chunks and corrects their checksums, so that a decoder believes them."""
    if dice.random() < 0.3:
        return mutate_bytes(content, dice)
    chunks = _split_png(content)
    for _ in range(dice.choice([1, 2, 4])):
        place = dice.randrange(len(chunks))
        kind, data = chunks[place]
        action = dice.random()
        if action < 0.3:
            chunks.insert(place, (dice.choice(CHUNKS), dice.randbytes(dice.choice([0, 1, 4, 8, 13, 26, 300]))))
        elif action < 0.4:
            bomb = b"a\0\0" + zlib.compress(bytes(1_000_000))
            chunks[place:place] = [(dice.choice([b"zTXt", b"iCCP", b"IDAT"]), bomb)] * dice.choice([1, 100])
        elif action < 0.6 and data:
            chunks[place] = kind, mutate_bytes(data, dice)
        elif action < 0.8:
            header = bytearray(chunks[0][1].ljust(13, b"\0"))
            field = dice.choice([0, 4, 8, 9, 10, 11, 12])
            width = 4 if field < 8 else 1
            header[field : field + width] = (dice.choice(NUMBERS) % 256**width).to_bytes(width)
            chunks[0] = chunks[0][0], bytes(header)
        elif len(chunks) > 1:
            chunks.pop(place)
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _split_png(content: bytes) -> list[tuple[bytes, bytes]]:
    """Returns kind and data of each chunk."""
    chunks, place = [], 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return chunks


def mutate_jpeg(content: bytes, dice: random.Random) -> bytes:
    """Changes bytes, mostly behind a marker, or repeats scans."""
    if dice.random() < 0.2:
        scans = content.index(b"\xff\xda")
        return content[:scans] + content[scans:-2] * dice.choice([2, 50, 200]) + content[-2:]
    markers = [place for place in range(len(content) - 20) if content[place] == 0xFF and content[place + 1]]
    damaged = bytearray(content)
    for _ in range(dice.choice([1, 2, 5])):
        place = dice.choice(markers) + dice.randrange(12)
        damaged[place] = dice.choice([0, 1, 0xFF, 0xC0, 0xDA, dice.randrange(256)])
    return bytes(damaged) if dice.random() < 0.7 else mutate_bytes(bytes(damaged), dice)


def mutate_records(content: bytes, dice: random.Random) -> bytes:
    """Changes an archive, or the headers and values of its arrays with correct checksums."""
    if dice.random() < 0.3:
        return mutate_bytes(content, dice)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(dice.choice([1, 1, 2, 4])):
        name = dice.choice(list(entries))
        header, data = entries[name][:128], entries[name][128:]
        action = dice.random()
        if action < 0.5:
            values = bytearray(data)
            for _ in range(dice.choice([1, 1, 10])):
                place = 4 * dice.randrange(len(values) // 4 + 1)
                values[place : place + 4] = struct.pack("<I", dice.choice([*NUMBERS, dice.randrange(200)]))
            entries[name] = header + bytes(values)
        elif action < 0.7:
            shape = tuple(dice.choice([*NUMBERS, 10**12, -1]) for _ in range(dice.randrange(4)))
            text = {"descr": dice.choice(HEADERS), "fortran_order": dice.choice([True, False]), "shape": shape}
            entries[name] = header[:10] + f"{str(text)[:-1]}, }}".ljust(117).encode() + b"\n" + data
        elif action < 0.9:
            entries[name] = mutate_bytes(entries[name], dice)
        else:
            del entries[name]
            if not entries:
                return b""
    file, method = BytesIO(), dice.choice([zipfile.ZIP_STORED] * 8 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, stored in entries.items():
            archive.writestr(name, stored)
    return file.getvalue()
