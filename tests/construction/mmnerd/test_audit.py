"""The sample, its verdicts and the interval."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.construction.mmnerd.audit import read_audit, wilson_interval, write_audit


@given(st.integers(1, 2000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_bounds_solve_their_equation(case: tuple[int, int]) -> None:
    right, total = case
    z = 1.959963984540054
    for bound in wilson_interval(right, total):  # |share - p| = z sqrt(p (1 - p) / n), or p at an end
        assert (right / total - bound) ** 2 == pytest.approx(z**2 * bound * (1 - bound) / total, abs=1e-9)


def test_the_papers_audit() -> None:
    low, high = wilson_interval(626, 631)
    assert (round(low, 3), round(high, 3)) == (0.982, 0.997)
    with pytest.raises(ValueError, match="5 of 4"):
        wilson_interval(5, 4)


def test_a_sheet(tmp_path: Path, record) -> None:
    records = [record(f'"Rome" and UNESCO {n}', ("Rome", "LOC"), ("UNESCO", "ORG"), id=f"w/en/{n}") for n in range(9)]
    path = tmp_path / "audit.tsv"
    write_audit(path, records, size=4)
    sheet = path.read_text().splitlines()
    assert len(sheet) == 1 + 8 and any("[UNESCO]" in line for line in sheet)
    with pytest.raises(ValueError, match="there already"):
        write_audit(path, records)
    with pytest.raises(ValueError, match="audit.tsv:2: judge the entity"):
        read_audit(path)
    path.write_text(
        "\n".join([sheet[0], *(line + verdict for line, verdict in zip(sheet[1:], ["yes"] * 7 + ["no"], strict=True))])
    )
    found = read_audit(path)
    assert (found.sentences, found.entities, found.right) == (4, 8, 7) and found.interval == wilson_interval(7, 8)
    path.write_text("a\tb\n")
    with pytest.raises(ValueError, match="has to have the columns"):
        read_audit(path)
