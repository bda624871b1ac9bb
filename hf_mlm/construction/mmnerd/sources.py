"""Sources of sentences: captions and CoNLL files, cleaned, drawn at random and divided into words."""

from __future__ import annotations

import gzip
import hashlib
import heapq
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from hf_mlm.construction.mmnerd.records import Record, spans_of
from hf_mlm.data.mmnerd.conll import Sentence, read_conll
from hf_mlm.data.mmnerd.layout import LANGUAGES
from hf_mlm.data.mmnerd.schemes import TYPES, LabelRules, entities
from hf_mlm.data.words import split_words


PLACEHOLDER = "<PERSON>"  # stands in Conceptual 12M's captions for people's names
MASK = "[MASK]"
POLICIES = ("drop", "keep", "mask")
_WHOLE = re.compile(f"({re.escape(PLACEHOLDER)}|{re.escape(MASK)})")
_ODD = {"Cc", "Cf", "Cn", "Co", "Cs"}  # control, format, unassigned, private use, surrogate


class Cleaned(NamedTuple):
    """A text and how many characters were taken out of it."""

    text: str
    odd: int


def clean(text: str) -> Cleaned:
    r"""Compose accents, make white space single blanks, and take out characters that tokenizers swallow.

    Those are control, zero-width, private-use and replacement characters (2M-NER's files hold 29 of them as words).

    Example:
        >>> clean("Ne\u0301e\u200b  in\tWien \ufffd")
        Cleaned(text='Née in Wien', odd=2)
    """
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    kept = "".join(sign for sign in spaced if sign != "\ufffd" and unicodedata.category(sign) not in _ODD)
    return Cleaned(" ".join(kept.split()), len(spaced) - len(kept))


def apply_policy(text: str, policy: str) -> str | None:
    """Drop, keep or mask the placeholders of people's names; None where the sentence is dropped.

    Args:
        text: a caption.
        policy: ``"drop"`` the sentence, ``"keep"`` the placeholder as a word outside of all entities, or ``"mask"`` it
            by BERT's ``[MASK]``.

    Example:
        >>> [apply_policy("<PERSON> in Rome", policy) for policy in POLICIES]
        [None, '<PERSON> in Rome', '[MASK] in Rome']
    """
    if PLACEHOLDER not in text or policy == "keep":
        return text
    return None if policy == "drop" else text.replace(PLACEHOLDER, MASK)


def words_of(text: str) -> tuple[tuple[int, int], ...]:
    """First character and the one after the last of each word; a placeholder is one word.

    Example:
        >>> words_of("<PERSON>'s dog")
        ((0, 8), (8, 10), (11, 14))
    """
    words: list[tuple[int, int]] = []
    start = 0
    for number, piece in enumerate(_WHOLE.split(text)):  # every other piece is a placeholder
        offsets = [(0, len(piece))] if number % 2 else split_words(piece)[1]
        words += [(start + first, start + last) for first, last in offsets]
        start += len(piece)
    return tuple(words)


def is_placeholder(text: str, start: int, end: int) -> bool:
    """Tell whether a part of a text holds a placeholder, which is no entity."""
    return _WHOLE.search(text, start, end) is not None


KINDS = ("captions", "conll")
Count = Callable[[str], None]
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """A file of sentences.

    Attributes:
        kind: ``"captions"``, a table of images and captions that gets its entities proposed, or ``"conll"``, whose
            sentences bring theirs.
        path: the file, plain or gzipped.
        language: of its sentences.
        name: of the source; files of the same name are parts of it.
        licence: a note on what may be done with texts and images.
        sample: number of sentences to draw; all when None.
        image_column: of a table, from 0: a file name or an address.
        text_column: of a table.
        licence_column: of a table that tells the licence of each image; ``licence`` stands for those without.
        require_types: entity types of which a CoNLL sentence has to have one; MMNERD took tweets with a person.
        translate_to: languages to translate the sentences to.

    Raises:
        ValueError: if a value makes no sense; the message names it.
    """

    kind: str
    path: str
    language: str
    name: str
    licence: str = ""
    sample: int | None = None
    image_column: int = 0
    text_column: int = 1
    licence_column: int | None = None
    require_types: tuple[str, ...] = ()
    translate_to: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("require_types", "translate_to"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.kind not in KINDS:
            raise ValueError(f"Expected one of {', '.join(KINDS)}, found kind={self.kind!r} in source {self.name!r}.")
        for language in (self.language, *self.translate_to):
            if language not in LANGUAGES:
                raise ValueError(
                    f"Expected languages {', '.join(LANGUAGES)}, found {language!r} in source {self.name!r}."
                )
        if self.language in self.translate_to or not set(self.require_types) <= set(TYPES):
            raise ValueError(
                f"Expected translate_to without {self.language!r} and require_types of {', '.join(TYPES)}, found "
                f"{self.translate_to} and {self.require_types} in source {self.name!r}."
            )
        if not self.name or "/" in self.name or min(self.image_column, self.text_column, self.licence_column or 0) < 0:
            raise ValueError(f"Expected a name without '/' and columns from 0, found others in source {self.name!r}.")

    def records(self, seed: int, policy: str, drop: Count, note: Count) -> list[Record]:
        """Read the file and draw the sample.

        Args:
            seed: of the sample; the lowest hashes of seed and id are drawn, whatever the order of the file.
            policy: of `apply_policy`, for captions.
            drop: called with the reason for each sentence that is left out.
            note: called with a remark on others.

        Returns:
            in the order of the file; ids are ``<source>/<language>/<image>``, with ``#2`` … for more of an image.

        Raises:
            FileNotFoundError: if the file is missing.
            ValueError: if it is no CoNLL file, a damaged archive, or holds no sentence at all.
        """
        found = self._captions(policy, drop, note) if self.kind == "captions" else self._sentences(drop)
        if self.sample is None:
            records = list(found)
        else:
            ranked = ((_position(record.id, seed), number, record) for number, record in enumerate(found))
            drawn = heapq.nsmallest(self.sample, ranked)
            records = [record for _, _, record in sorted(drawn, key=lambda item: item[1])]
        if not records:
            raise ValueError(
                f"Expected sentences of {self.name!r} in {self.path}, found none; check its kind and columns."
            )
        return records

    def _captions(self, policy: str, drop: Count, note: Count) -> Iterator[Record]:
        seen: dict[str, set[str]] = {}
        width = max(self.image_column, self.text_column) + 1
        for number, line in enumerate(_lines(Path(self.path)), 1):
            columns = _columns(line)
            if columns is None or len(columns) < width:
                drop("line is not UTF-8" if columns is None else "line without image and caption")
                continue
            reference = columns[self.image_column].strip()
            image_id = image_id_of(reference, number)
            text, odd = clean(columns[self.text_column])
            allowed = apply_policy(text, policy)
            if not image_id or not words_of(text):
                drop("line without image and caption")
            elif allowed is None:
                drop("name replaced by a placeholder")
            elif allowed in seen.setdefault(image_id, set()):
                drop("caption repeated")
            else:
                seen[image_id].add(allowed)
                if odd:
                    note("caption with odd characters, which were taken out")
                record = self._record(allowed, image_id, len(seen[image_id]), words_of(allowed))
                url = reference if is_address(reference) else None
                yield replace(record, image_url=url, licence=self._licence(columns))

    def _licence(self, columns: Sequence[str]) -> str:
        """The licence of a line of a table, or of the source."""
        column = self.licence_column
        told = columns[column].strip() if column is not None and column < len(columns) else ""
        return told or self.licence

    def _sentences(self, drop: Count) -> Iterator[Record]:
        counts: dict[str | None, int] = {}
        for sentence in read_conll(self.path):
            tags = LabelRules().apply(sentence, self.path)
            if self.require_types and not {item.type for item in entities(tags)} & set(self.require_types):
                drop(f"sentence without {' or '.join(self.require_types)}")
                continue
            counts[sentence.image_id] = counts.get(sentence.image_id, 0) + 1
            yield self._of_sentence(sentence, tags, counts[sentence.image_id])

    def _of_sentence(self, sentence: Sentence, tags: list[str], number: int) -> Record:
        ends: list[int] = []
        for token in sentence.tokens:
            ends.append((ends[-1] + 1 if ends else 0) + len(token))
        words = tuple((end - len(token), end) for token, end in zip(sentence.tokens, ends, strict=True))
        return self._record(" ".join(sentence.tokens), sentence.image_id, number, words, tags)

    def _record(
        self,
        text: str,
        image_id: str | None,
        number: int,
        words: tuple[tuple[int, int], ...],
        tags: Iterable[str] = (),
    ) -> Record:
        own = f"{self.name}/{self.language}/{image_id or ''}" + (f"#{number}" if number > 1 or not image_id else "")
        spans = spans_of(words, list(tags))
        return Record(own, text, words, spans, self.language, image_id, image_id or own, self.name, self.licence)


def image_id_of(reference: str, line: int) -> str:
    """Id of an image: a file's name without its ending, after the line's number in eight digits where it is a URL.

    So captions of Conceptual 12M get ids of the form that MMNERD's have.

    Example:
        >>> image_id_of("photos/17_06_4705.jpg", 3), image_id_of("https://example.org/a%20b.png?w=3", 12)
        ('17_06_4705', '00000012---a b')
    """
    is_url = is_address(reference)
    path = unquote(urlsplit(reference.strip()).path) if is_url else reference.strip()
    stem = " ".join(PurePosixPath(path).stem.split())
    return f"{line:08d}---{stem}" if is_url else stem


def is_address(reference: str) -> bool:
    """Tell whether a reference to an image is a URL, and not the name of a file.

    Example:
        >>> is_address("https://example.org/a.png"), is_address("photos/a.png")
        (True, False)
    """
    parts = urlsplit(reference.strip())
    return bool(parts.scheme and parts.netloc)


def _columns(line: bytes) -> list[str] | None:
    try:
        return line.decode("utf-8-sig").rstrip("\r\n").split("\t")
    except UnicodeDecodeError:
        return None


def _lines(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of sentences, found none at {path}; check the path of the source.")
    try:
        with _open(path) as opened:
            yield from opened
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"Expected a whole gzip file in {path}, found {error}; fetch it again.") from error


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as opened:
        packed = opened.read(2) == _GZIP_MAGIC
    return gzip.open(path) if packed else path.open("rb")


def _position(identity: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}:{identity}".encode(), digest_size=8).digest()
