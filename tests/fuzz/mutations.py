"""Hostile changes of a file: a few at a time, at random places, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable


TOKENS = (
    *(b"", b"\x00", b"\xff", b"\xff\xfe", b"\xed\xa0\xbd", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\t", b" ", b"\x1b[31m"),
    *(b"null", b"true", b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"1e308", b"9" * 400, b"-9223372036854775809"),
    *(b"18446744073709551616", b"0x1", b"1_000", b"[", b"]", b"{", b"}", b'"', b"'", b",", b":", b"\\", b"\\ud83d"),
    *(b"[" * 10_000, b'{"a":' * 3_000, b"a" * 70_000, b"../../x", b"/etc/passwd", b"=cmd()", b"<script>", b"%s%n"),
    *(b"!!python/object:os.system", b"&a [*a]", b"- " * 500, b"Q0", b"B-", b"I-PER", b"O", b"-DOCSTART-", b"IMGID:"),
)


def mutate(content: bytes, generator: random.Random) -> bytes:
    """Make one to five changes.

    Args:
        content: of a valid file.
        generator: of the random choices.
    """
    for _ in range(generator.choice((1, 1, 1, 2, 2, 3, 5))):
        content = generator.choice(CHANGES)(content, generator)
    return content


def _cut(content: bytes, generator: random.Random) -> tuple[int, int]:
    """Choose a range of at most 64 bytes, or now and then any."""
    start = generator.randrange(len(content) + 1)
    longest = len(content) - start if generator.random() < 0.1 else min(64, len(content) - start)
    return start, start + generator.randint(0, longest)


def flip_bit(content: bytes, generator: random.Random) -> bytes:
    """Change one bit."""
    if not content:
        return content
    place = generator.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << generator.randrange(8)]) + content[place + 1 :]


def set_bytes(content: bytes, generator: random.Random) -> bytes:
    """Overwrite one to eight bytes, often by extremes."""
    start = generator.randrange(len(content) + 1)
    count = generator.choice((1, 2, 4, 8))
    extremes = (b"\x00" * count, b"\xff" * count, b"\x7f" + b"\xff" * (count - 1))
    value = generator.choice((*extremes, generator.randbytes(count)))
    return content[:start] + value + content[start + count :]


def delete(content: bytes, generator: random.Random) -> bytes:
    """Take a range out."""
    start, end = _cut(content, generator)
    return content[:start] + content[end:]


def double(content: bytes, generator: random.Random) -> bytes:
    """Repeat a range elsewhere."""
    start, end = _cut(content, generator)
    place = generator.randrange(len(content) + 1)
    return content[:place] + content[start:end] * generator.choice((1, 1, 2, 50)) + content[place:]


def truncate(content: bytes, generator: random.Random) -> bytes:
    """Cut the end off."""
    return content[: generator.randrange(len(content) + 1)]


def insert_token(content: bytes, generator: random.Random) -> bytes:
    """Put something that parsers stumble over anywhere."""
    place = generator.randrange(len(content) + 1)
    return content[:place] + generator.choice(TOKENS) + content[place:]


def replace_token(content: bytes, generator: random.Random) -> bytes:
    """Put it in the place of a range, so that a value or a name becomes another."""
    start, end = _cut(content, generator)
    return content[:start] + generator.choice(TOKENS) + content[end:]


def swap_lines(content: bytes, generator: random.Random) -> bytes:
    """Exchange two lines, or repeat one."""
    lines = content.split(b"\n")
    one, other = generator.randrange(len(lines)), generator.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one] if generator.random() < 0.7 else lines[other]
    return b"\n".join(lines)


Change = Callable[[bytes, random.Random], bytes]
CHANGES: tuple[Change, ...] = (
    *(flip_bit, flip_bit, set_bytes, delete, double, truncate, insert_token, replace_token, replace_token, swap_lines),
)
