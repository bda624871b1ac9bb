"""Proposals: mapped labels, whole words, no placeholder, and enough of them."""

from collections.abc import Callable
from pathlib import Path

from hf_mlm.construction.mmnerd.edition import NEREdition
from hf_mlm.construction.mmnerd.proposing import Propose
from hf_mlm.construction.mmnerd.records import Record
from hf_mlm.construction.mmnerd.sources import Source
from hf_mlm.construction.stage import to_document


RULES = "names: {Rome: GPE, UNESCO: ORG, Ada: PERSON}\npatterns: {GPE: ['Ital'], PERSON: ['<PERSON>']}"


def proposed(tmp_path: Path, *records: Record, **changes: object) -> tuple[dict[str, Record], Propose]:
    (tmp_path / "rules.yaml").write_text(RULES)
    source = Source("captions", "none", "en", "web")
    edition = NEREdition((source,), {"en": {"rules": str(tmp_path / "rules.yaml")}}, **changes)
    block = Propose(edition)
    rows = [one.to_row() | {"proposed": one.source == "web", "translate_to": []} for one in records]
    found = [Record.from_row(document.metadata) for document in block.run([to_document(row) for row in rows])]
    return {one.id: one for one in found}, block


def surfaces(record: Record) -> list[tuple[str, str]]:
    return [(record.text[span.start : span.end], span.label) for span in record.spans]


def test_proposals(record: Callable[..., Record], tmp_path: Path) -> None:
    full, few = record("<PERSON> and Ada in Rome, Italy"), record("Rome alone", id="web/en/2")
    found, block = proposed(tmp_path, full, few, placeholder="keep")
    assert surfaces(found[full.id]) == [("Ada", "PER"), ("Rome", "MISC"), ("Italy", "MISC")]  # the paper's rule
    assert block.ledger.dropped == {"fewer than 2 entities proposed": 1}
    assert block.ledger.noted == {
        "proposal on a placeholder, left out": 1,
        "proposal widened to whole words": 1,
    }
    found, _ = proposed(tmp_path, full, few, min_entities=1, label_map="gpe_as_loc")
    assert surfaces(found[few.id]) == [("Rome", "LOC")]
