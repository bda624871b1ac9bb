"""However a dump is compressed and divided, every line is read once."""

import bz2
import gzip
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import graph
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mlm.construction.mlm import dump
from hf_mlm.construction.mlm.build import DumpSource
from hf_mlm.construction.mlm.dump import TruncatedError, plan_parts


LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" ")), min_size=1, max_size=40)
CUTS = st.lists(st.integers(0, 1600), max_size=6)


def write(path: Path, text: bytes, cuts: Sequence[int]) -> Path:
    """The text as a file of the kind that its name says; bzip2 streams end at the cuts, be it within a line."""
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    streams = [text[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]
    compress = {".bz2": lambda part: bz2.compress(part, 1), ".gz": gzip.compress}.get(path.suffix, bytes)
    path.write_bytes(b"".join(map(compress, streams)))
    return path


def read(paths: Sequence[Path], tasks: int) -> list[bytes]:
    return [line for parts in plan_parts(paths, tasks) for part in parts for line in part.lines()]


@pytest.mark.parametrize("ending", ["json", "json.bz2", "json.gz"])
@settings(max_examples=40)
@given(lines=LINES, cuts=CUTS, tasks=st.integers(1, 9), final_newline=st.booleans())
def test_every_line_once(
    ending: str,
    lines: list[bytes],
    cuts: list[int],
    tasks: int,
    final_newline: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("dump") / f"all.{ending}"
    text = b"\n".join(lines) + b"\n" * final_newline
    expected = text.split(b"\n")
    expected = expected[:-1] if expected[-1] == b"" else expected
    assert sorted(read([write(path, text, cuts)], tasks)) == sorted(expected)


def test_lines_longer_than_streams(tmp_path: Path) -> None:
    text = b"\n".join([b"a" * 1000, b"b" * 10, b"c" * 900]) + b"\n"
    path = write(tmp_path / "d.json.bz2", text, range(0, 2000, 100))
    for tasks in (1, 3, 20, 50):
        assert sorted(read([path], tasks)) == sorted(text.split())


@pytest.mark.parametrize("ending", ["json", "json.bz2", "json.gz"])
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 99),
    longest=st.sampled_from([30, 3000, 300_000]),
    cuts=st.lists(st.integers(0, 600_000), max_size=5),
    tasks=st.sampled_from([1, 2, 3, 7, 16, 40]),
)
def test_streams_of_many_blocks_are_cut(
    ending: str, seed: int, longest: int, cuts: list[int], tasks: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    random, lines, size = Random(seed), [], 0
    while size < 600_000:  # six blocks of bzip2, of which one stream has several
        lines.append(random.randbytes(random.randrange(longest) // 2).hex().encode())
        size += len(lines[-1]) + 1
    path = write(tmp_path_factory.mktemp("dump") / f"all.{ending}", b"\n".join(lines), cuts)
    parts = [part for share in plan_parts([path], tasks) for part in share]
    assert len(parts) == tasks and [line for part in parts for line in part.lines()] == lines
    if ending == "json.bz2" and longest < 99_999:
        assert sum(any(part.lines()) for part in parts) >= min(tasks, 5)


def test_what_looks_like_a_block_within_a_block_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [Random(number).randbytes(30).hex().encode() for number in range(9000)]
    path = write(tmp_path / "all.json.bz2", b"\n".join(lines), [])
    marks = list(dump._marks(path.open("rb"), 0))
    assert [mark for _, mark in marks] == [dump._PI] * 6 + [dump._ROOT]
    false = [(marks[1][0] + 41, dump._PI), (marks[3][0] + 3001, dump._ROOT), (marks[3][0] + 9003, dump._PI)]
    monkeypatch.setattr(dump, "_marks", lambda opened, start: iter(sorted([*marks, *false])))
    assert read([path], 1) == lines


@pytest.mark.parametrize("padding", [b"", b"\0" * 700])
def test_padding_between_members_is_skipped(padding: bytes, tmp_path: Path) -> None:
    members = [gzip.compress(b"".join(b"%d %d\n" % (number, each) for each in range(99))) for number in range(5)]
    (tmp_path / "a.json.gz").write_bytes(padding.join(members) + padding)
    assert len(read([tmp_path / "a.json.gz"], 1)) == len(read([tmp_path / "a.json.gz"], 4)) == 495


def test_parts_are_shared_out(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{n}.json", b"line\n" * 100, []) for n in range(3)]
    shares = plan_parts(paths, 5)
    assert [part.name for part in shares[0]][0] == "0.json[0:250]"
    assert sum(map(len, shares)) == 6 and len({part.sha256() for parts in shares for part in parts}) == 1


@pytest.mark.parametrize("ending", ["json.bz2", "json.gz"])
def test_half_a_file_gives_its_whole_lines(ending: str, tmp_path: Path) -> None:
    lines = [f"line {number} {number**7}".encode() for number in range(5000)]
    path = write(tmp_path / f"half.{ending}", b"\n".join(lines), range(0, 80_000, 8000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    (part,) = plan_parts([path], 1)[0]
    taken: list[bytes] = []
    with pytest.raises(TruncatedError, match=rf"half.{ending}\[0:"):
        for line in part.lines():
            taken.append(line)  # noqa: PERF402
    assert 1000 < len(taken) < 4500 and taken == lines[: len(taken)]


def test_there_has_to_be_a_dump(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found no file; check --dump"):
        plan_parts([], 2)
    with pytest.raises(FileNotFoundError, match="missing.json"):
        plan_parts([tmp_path / "missing.json"], 2)


def test_bad_lines_are_counted(build_here: Any, tmp_path: Path) -> None:
    lines = graph.dump_lines(graph.world())
    far = f'{{"latitude":1{"0" * 400},"longitude":1,"globe":"http://www.wikidata.org/entity/Q2"}}'
    position = f'{{"rank":"normal","mainsnak":{{"snaktype":"value","datavalue":{{"value":{far}}}}}}}'
    bad = [
        '{"type":"item","id":"Q7","claims":{"P625":[{},',
        '{"id":"Q8","claims":{"P625":[{"rank":"normal"}]}},',
        '{"entity":"Q9","redirect":"Q64"},',
        '{"type":"item","id":"Q10","claims":{"P31":[]}},',
        '["P625"],',
        "\ufeff",
        '{"type":"property","id":"P279","claims":{"P31":[]}},',
        '{"type":"item","id":"P515","claims":{"P279":[]}},',
        '{"type":"item","id":"Q99999999999999999999","claims":{"P279":[]}},',
        '{"type":"item","id":"Q11","labels":{"en":{"value":"\\ud800"}},"claims":{"P279":[]}},',  # half a character
        '{"type":"item","id":"Q12","labels":{"en":{"value":5}},"claims":{"P279":[]}},',
        f'{{"type":"item","id":"Q13","claims":{{"P625":[{position}]}}}},',
        '{"P625":' + "[" * 100_000 + "},",
    ]
    path = tmp_path / "bad.json"
    path.write_text("\n".join([*lines[:5], *bad, *lines[5:]]), encoding="utf-8")
    good = build_here("good", until="entities")
    manifests = build_here("bad", DumpSource.of([path]), "entities")
    assert manifests["items"].rows == good["items"].rows
    added = {"invalid JSON": 10, "redirect": 1, "neither place nor class": 2}
    before = good["items"].dropped
    assert manifests["items"].dropped == {reason: before.get(reason, 0) + more for reason, more in added.items()}
    assert manifests["entities"].rows == good["entities"].rows


def test_half_a_shard_is_reported_and_its_whole_lines_are_used(build_here: Any, tmp_path: Path) -> None:
    text = graph.dump_text(graph.world())
    first, second = tmp_path / "one.json.bz2", tmp_path / "two.json.bz2"
    middle = text.index(b"\n", len(text) // 2) + 1
    first.write_bytes(bz2.compress(text[:middle]))
    halves = [text[middle : middle + 4000], text[middle + 4000 :]]
    compressed = [bz2.compress(half) for half in halves]
    second.write_bytes(compressed[0] + compressed[1][: len(compressed[1]) // 2])
    manifest = build_here("half", DumpSource.of([first, second]), "items", tasks=2)["items"]
    (damage,) = manifest.noted
    assert damage.startswith("damaged after ") and "two.json.bz2" in damage
    expected = {item.id for item in graph.world() if f'"{item.id}"'.encode() in text[: middle + 4000]}
    found = {row for file in manifest.files for row in ids(tmp_path / "half" / "items" / file.name)}
    assert len(found) > 20 and found <= expected


def test_inputs_facts_and_hashes(build_here: Any, tmp_path: Path) -> None:
    once, again = build_here("once", until="names"), build_here("again", until="names")
    assert {name: one.sha256 for name, one in once.items()} == {name: one.sha256 for name, one in again.items()}
    assert once["items"].facts == {"dump_date": "20260105"}
    assert len(once["items"].inputs) == 2 and once["items"].code.startswith("0.")
    assert set(once["entities"].inputs) == {"items/00000.parquet", "items/00001.parquet", "classes/00000.parquet"}


def ids(path: Path) -> list[str]:
    return pq.read_table(path, columns=["id"]).column("id").to_pylist()
