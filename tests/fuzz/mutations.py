"""Damaged copies of a good file: changes of bytes, numbers, lines, JSON, tags and encodings, all drawn from a seed."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

MOST_BYTES = 500_000
"""Longest damaged file: 25,000 words, which take 3 s to score. tests/core/test_limits.py reads longer files."""

MOST_STRUCTURED = 200_000
"""Largest file of which lines, JSON and tags are changed; larger ones take too long."""

HEAD_BYTES = 200
"""First bytes of a file, where most binary formats have their header: half of all places lie there."""

GZIP_MAGIC = b"\x1f\x8b"
DEEP = "\ue000deep\ue000"
"""Stands in JSON for nesting that ``json`` itself does not write."""

NUMBERS = [
    *(b"-1", b"0", b"-0.0", b"1", b"0.5", b"2147483647", b"2147483648", b"4294967295", b"9223372036854775808", b"-2e9"),
    *(b"1e308", b"-1e308", b"1e-320", b"1e999", b"NaN", b"nan", b"Infinity", b"-inf", b"1_000", b"0x1p4", b"1.", b".5"),
    *(b"9" * 400, b"9" * 5000, b"1e" + b"9" * 30, "٣".encode(), b"--undefined--", b"", b"true", b"null", b"99:99"),
]

PIECES = [
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xc3",
        b"\n",
        b"\r\n",
        b"\r",
        b"\t",
        b" ",
        b"\x0b",
    ),
    *(b"\x1b[2J", b"\x85", "\u2028".encode(), "\u00a0".encode(), "\u202eא".encode(), "e\u0301".encode(), b"\\ud800"),
    *(
        b'"',
        b"'",
        b"<",
        b">",
        b"&",
        b"&lol;",
        b"]]>",
        b"%",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\\",
        b"/",
        b"../",
        b"|",
    ),
    *(b"<!DOCTYPE x>", b"<!ENTITY a 'b'>", b"<![CDATA[", b"<a>" * 3000, b"[" * 3000, b"(" * 3000, b"::add-mask::x"),
    *(b"<?xml version='1.0' encoding='utf-7'?>", b"<unk>", b"[noise]", b"/etc/passwd", b"C:\\x", b"con", b"x" * 5000),
]

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.5, -0.5, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), -float("inf")),
    *(
        "",
        " ",
        "one",
        "1.5",
        "NaN",
        "\ud800",
        "\x00",
        "\n",
        "../../x",
        "/x",
        "a\\b",
        "<b>x</b>",
        "x" * 5000,
        "9" * 5000,
    ),
    *([], {}, [[]], [{}], {"": {}}, [None], [1, 2, 3, 4, 5], {"a": 1}, DEEP),
]


@dataclass(frozen=True)
class Pool:
    """Material of other good files: their bytes, and tokens that occur in them."""

    others: Sequence[bytes]
    tokens: Sequence[bytes]


def pool_of(files: Sequence[bytes]) -> Pool:
    """Make a pool of good files."""
    found = {
        token for data in files for token in re.findall(rb'"[^"\n]{1,24}"|</?\w[^<>\n]{0,40}>|\w{3,20}', data[:20_000])
    }
    return Pool(files, sorted(found)[:5000] or [b"x"])


def damaged(rng: Random, data: bytes, pool: Pool) -> bytes:
    """A damaged copy of a file: one to five changes. Of packed files, most often the content is damaged."""
    if data.startswith(GZIP_MAGIC) and rng.random() < 0.8:
        return gzip.compress(damaged(rng, gzip.decompress(data), pool), 1, mtime=0)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        for _ in range(10):  # not every change fits every file
            changed = rng.choice(CHANGES)(rng, data, pool)[:MOST_BYTES]
            if changed != data:
                break
        data = changed
    return data


# Bytes


def _span(rng: Random, data: bytes, longest: int = 64) -> tuple[int, int]:
    """A random stretch."""
    start = rng.randrange(min(len(data), HEAD_BYTES) if rng.random() < 0.5 else len(data)) if data else 0
    return start, min(len(data), start + rng.randint(1, longest))


def _put(data: bytes, start: int, end: int, piece: bytes) -> bytes:
    return data[:start] + piece + data[end:]


def _flip(rng: Random, data: bytes, _pool: Pool) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 16)) if data else 0):
        changed[_span(rng, data)[0]] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _insert(rng: Random, data: bytes, pool: Pool) -> bytes:
    start, _ = _span(rng, data)
    return _put(data, start, start, rng.choice((rng.choice(PIECES), rng.choice(pool.tokens), rng.randbytes(4))))


def _replace(rng: Random, data: bytes, pool: Pool) -> bytes:
    return _put(
        data, *_span(rng, data, 10), rng.choice((rng.choice(PIECES), rng.choice(pool.tokens), rng.randbytes(4)))
    )


def _delete(rng: Random, data: bytes, _pool: Pool) -> bytes:
    return _put(data, *_span(rng, data, rng.choice((1, 4, 40, 4000))), b"")


def _swap(rng: Random, data: bytes, _pool: Pool) -> bytes:
    (a, b), (c, d) = sorted((_span(rng, data), _span(rng, data)))
    return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _truncate(rng: Random, data: bytes, _pool: Pool) -> bytes:
    return data[: rng.randint(0, len(data))]


def _splice(rng: Random, data: bytes, pool: Pool) -> bytes:
    other = rng.choice(pool.others)
    return data[: rng.randint(0, len(data))] + other[rng.randint(0, len(other)) :]


def _repeat(rng: Random, data: bytes, _pool: Pool) -> bytes:
    """Repeat a stretch or a line; the copies have 1 kB to 4 MB together, large ones seldom."""
    start, end = _span(rng, data, 400)
    if rng.random() < 0.5:
        start, end = data.rfind(b"\n", 0, start) + 1, (data.find(b"\n", start) + 1 or len(data))
    n_bytes = 10 ** rng.choice((3, 3, 3, 4, 4, 5, rng.uniform(5, 6.6)))
    return _put(data, end, end, data[start:end] * int(n_bytes / max(end - start, 1)))


def _whole_number(rng: Random, data: bytes, _pool: Pool) -> bytes:
    """Write an extreme number of 2, 4 or 8 bytes, as headers of binary formats hold."""
    size = rng.choice((2, 4, 8))
    start, _ = _span(rng, data)
    half = 2 ** (8 * size - 1)
    value = rng.choice((0, 1, half - 1, half, 2 * half - 1, len(data), rng.randrange(2**16))) % (2 * half)
    return _put(data, start, start + size, value.to_bytes(size, rng.choice(("little", "big"))))


# Text


def _number(rng: Random, data: bytes, _pool: Pool) -> bytes:
    """Replace one number, or all numbers of a line, by an extreme one."""
    found = list(re.finditer(rb"[+-]?\d+(?:[.,]\d+)?", data[:MOST_STRUCTURED]))
    return _put(data, *rng.choice(found).span(), rng.choice(NUMBERS)) if found else data


def _lines(rng: Random, data: bytes, _pool: Pool) -> bytes:
    """Delete, double, move or cut a line."""
    lines = data[:MOST_STRUCTURED].splitlines(keepends=True) or [b""]
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.choice(("delete", "double", "swap", "join", "blank", "copy"))
    if kind == "delete":
        del lines[i]
    elif kind == "swap":
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == "join":
        lines[i] = lines[i].rstrip(b"\r\n") + b" "
    else:
        lines.insert(j, {"double": lines[j], "blank": b"\n", "copy": lines[i]}[kind])
    return b"".join(lines) + data[MOST_STRUCTURED:]


def _fields(rng: Random, data: bytes, pool: Pool) -> bytes:
    """Swap, delete, double or replace a field of a line."""
    lines = data[:MOST_STRUCTURED].split(b"\n")
    row = rng.randrange(len(lines))
    fields = re.split(rb"([\s,;]+)", lines[row])
    i, j = rng.randrange(0, len(fields), 2), rng.randrange(0, len(fields), 2)
    kind = rng.choice(("swap", "delete", "double", "number", "piece", "token"))
    if kind == "swap":
        fields[i], fields[j] = fields[j], fields[i]
    elif kind == "double":
        fields[i] += b" " + fields[i]
    else:
        choices = {"delete": [b""], "number": NUMBERS, "piece": PIECES, "token": pool.tokens}
        fields[i] = rng.choice(choices[kind])
    lines[row] = b"".join(fields)
    return b"\n".join(lines) + data[MOST_STRUCTURED:]


def _tags(rng: Random, data: bytes, _pool: Pool) -> bytes:
    """Delete, double, nest, swap or change a tag or the value of an attribute, in XML and in subtitles."""
    tags = list(re.finditer(rb"<[^<>\n]{1,300}>", data[:MOST_STRUCTURED]))
    if not tags:
        return data
    first, second = sorted((rng.choice(tags), rng.choice(tags)), key=lambda tag: tag.start())
    tag = first.group()
    kind = rng.choice(("delete", "double", "nest", "swap", "attribute", "attribute"))
    if kind == "swap" and first != second:
        between = data[first.end() : second.start()]
        return _put(data, first.start(), second.end(), second.group() + between + tag)
    values = list(re.finditer(rb"=\s*(['\"])(.*?)\1", tag))
    if kind == "attribute" and values:
        tag = _put(tag, *rng.choice(values).span(2), rng.choice(NUMBERS + PIECES))
    changed = {"delete": b"", "double": tag * 2, "nest": tag * rng.choice((100, 50_000))}.get(kind, tag)
    return _put(data, *first.span(), changed)


def _encoding(rng: Random, data: bytes, _pool: Pool) -> bytes:
    """Write the text in another encoding or with other line ends."""
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    kind = rng.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "utf-7", "crlf", "cr", "zeros", "marks"))
    if kind == "crlf":
        return re.sub(rb"\r?\n", b"\r\n", data)
    if kind == "cr":
        return re.sub(rb"\r?\n", b"\r", data)
    if kind == "zeros":
        return data.replace(b" ", b"\x00")
    if kind == "marks":
        return "".join(
            f"{c}\u0301" if c.isalpha() and rng.random() < 0.1 else c for c in text[:MOST_STRUCTURED]
        ).encode()
    return text.encode(kind, "replace")


# JSON


def _json(rng: Random, data: bytes, pool: Pool) -> bytes:
    """Change a value or a key of JSON, of a line of JSON Lines, or of the header of safetensors."""
    if len(data) > MOST_STRUCTURED:
        return data
    length = int.from_bytes(data[:8], "little")
    if data[8:9] == b"{" and 0 < length <= len(data) - 8:
        header = _json(rng, data[8 : 8 + length], pool)
        return len(header).to_bytes(8, "little") + header + data[8 + length :]
    for part in (data, rng.choice(data.splitlines() or [b""])):
        try:
            content = json.loads(part)
        except (ValueError, RecursionError):
            continue
        return data.replace(part, _changed_json(rng, content).encode("utf-8", "replace"), 1)
    return data


def _changed_json(rng: Random, content: Any) -> str:
    place = rng.choice(places_of(content))
    kind = rng.choice(("value", "value", "remove", "double", "many", "wrap", "swap", "key", "twice"))
    if not place or kind == "value":
        content = _with(content, place, rng.choice(VALUES))
    elif kind == "wrap":
        value = _at(content, place)
        content = _with(content, place, rng.choice(([value], {"a": value}, [value, value])))
    elif kind == "swap":
        content = _with(content, place, _at(content, rng.choice(places_of(content))))
    else:
        holder, key = _at(content, place[:-1]), place[-1]
        if kind in ("double", "many") and isinstance(holder, list):
            holder[key:key] = [holder[key]] * (1 if kind == "double" else rng.choice((100, 20_000)))
        elif kind == "key" and isinstance(holder, dict):
            holder[rng.choice(("", "a", "id", "\ud800", "x" * 3000))] = holder.pop(key)
        elif kind == "remove":
            del holder[key]
    text = json.dumps(content, ensure_ascii=rng.random() < 0.7)
    if kind == "twice":
        text = re.sub(r'("\w+": [^{}\[\],]+)', r"\1, \1", text, count=rng.choice((0, 1)))
    depth = rng.choice((10, 900, 100_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}")))
    return text.replace(json.dumps(DEEP), opening * depth + "1" + closing * depth).replace(f'"{DEEP}"', "[" * depth)


def places_of(value: Any) -> list[tuple[Any, ...]]:
    """Paths to every value inside a JSON value, including itself."""
    places: list[tuple[Any, ...]] = [()]
    values = [((), value)]
    for path, inner in values:
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        for key, item in pairs:
            places.append((*path, key))
            values.append(((*path, key), item))
    return places


def _at(content: Any, place: Sequence[Any]) -> Any:
    for key in place:
        content = content[key]
    return content


def _with(content: Any, place: Sequence[Any], value: Any) -> Any:
    """The content with another value at a place. Its other values are shared, except on the way to the place."""
    if not place:
        return value
    copied = content.copy()
    copied[place[0]] = _with(content[place[0]], place[1:], value)
    return copied


CHANGES: Sequence[Callable[[Random, bytes, Pool], bytes]] = (
    *(_flip, _insert, _replace, _delete, _swap, _truncate, _splice, _repeat, _whole_number, _encoding),
    *(_number, _number, _lines, _fields, _fields, _tags, _tags, _json, _json, _json, _json),
)
"""Changes, each as often as it stands here. Those of JSON and tags leave other files as they are."""
