"""What may be wrong with a dump is counted and does no harm."""

import bz2
from pathlib import Path
from typing import Any

import graph
import pyarrow.parquet as pq

from hf_mlm.construction.mlm.sources import DumpSource


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
    good = build_here("good", until="places")
    manifests = build_here("bad", DumpSource.of([path]), "places")
    assert manifests["items"].rows == good["items"].rows
    added = {"invalid JSON": 10, "redirect": 1, "neither place nor class": 2}
    before = good["items"].dropped
    assert manifests["items"].dropped == {reason: before.get(reason, 0) + more for reason, more in added.items()}
    assert manifests["places"].rows == good["places"].rows


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
    assert set(once["places"].inputs) == {"items/00000.parquet", "items/00001.parquet", "classes/00000.parquet"}


def ids(path: Path) -> list[str]:
    return pq.read_table(path, columns=["id"]).column("id").to_pylist()
