import csv
import io
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mlm.metrics.functional.bootstrap import paired_bootstrap
from hf_mlm.reproduce.catalog import find_table
from hf_mlm.reproduce.experiments import Spec, Table, TaggerSpec
from hf_mlm.reproduce.page import ABSENT, NOT_RUN, UNREADABLE, UNTOLD, to_csv, to_markdown
from hf_mlm.reproduce.runs import Outcome
from hf_mlm.reproduce.tables import compare, f1_interval, fill, summarize, t_quantile


FIVE, CONTROLS, THREE = find_table("2m-ner", "5"), find_table("2m-ner", "controls"), find_table("mlm", "3")
OURS = TaggerSpec("2M-NER", "en")
GOOD, BAD = [[2, 2, 2]] * 30, [[1, 2, 2]] * 30


def outcomes(**f1: float) -> dict[Spec, dict[int, Outcome]]:
    return {OURS: {int(seed[1:]): Outcome({"test_f1": value}, GOOD) for seed, value in f1.items()}}


def rows(table: Table, found: dict[Spec, dict[int, Outcome]]) -> dict[tuple[str, str], dict[str, str]]:
    text = to_csv(table, fill(table, found))
    return {(row["row"], row["column"]): row for row in csv.DictReader(io.StringIO(text))}


def lines(table: Table, found: dict[Spec, dict[int, Outcome]], facts: list[str] | None = None) -> list[str]:
    return to_markdown(table, fill(table, found), facts or []).splitlines()


def test_published_and_ours_stand_side_by_side_in_percent() -> None:
    row = rows(FIVE, outcomes(s1=0.70, s2=0.72))["2M-NER", "en"]
    assert (row["published"], float(row["ours"]), row["seeds"]) == ("70.77", pytest.approx(71.0), "2")
    assert float(row["sd"]) == pytest.approx(2**0.5) and float(row["low"]) < 71 < float(row["high"])
    assert row["source"] == "2M-NER (arXiv 2404.17122), Table 5"


def test_a_block_is_printed_as_in_the_paper_our_line_below_the_published_one() -> None:
    found = {OURS: {1: Outcome({"test_f1": 0.7, "test_PER_f1": 0.9, "test_precision": 0.8}, [])}}
    text = lines(FIVE, found)
    start = text.index("**en**")
    assert text[start + 2] == "|  |  | PER | LOC | ORG | MISC | precision | recall | F1 |"
    published = text.index("| 2M-NER | published | 96.90 | 58.33 | 64.45 | 71.40 | 70.05 | 71.51 | 70.77 |")
    assert published > start
    assert text[published + 1] == f"|  | ours | 90.00 | {' | '.join([UNTOLD] * 3)} | 80.00 | {UNTOLD} | 70.00 |"


def test_no_cell_is_blank() -> None:
    for table, found in ((FIVE, outcomes(s1=0.7)), (CONTROLS, {}), (THREE, {})):
        for line in lines(table, found):
            if line.startswith("| ") and "---" not in line and not line.startswith("|  |  |"):
                assert all(cell.strip() for cell in line.strip("|").split("|")[1:])


def test_what_is_unknown_is_marked() -> None:
    found = rows(FIVE, outcomes(s1=0.7))
    assert found["UMGF", "de PER"]["published"] == UNREADABLE and found["UMGF", "de PER"]["ours"] == NOT_RUN
    assert rows(CONTROLS, {})["blank images", "en"]["published"] == ABSENT
    untold = {spec: {0: Outcome({"entities": 3})} for spec in find_table("mlm", "2").specs}
    assert rows(find_table("mlm", "2"), untold)["irle", "classes"]["ours"] == UNTOLD
    others = rows(find_table("2m-ner", "3"), {})
    assert (others["WikiAnn", "train"]["published"], others["WikiAnn", "train"]["ours"]) == ("65000", ABSENT)


def test_a_single_run_shows_the_interval_of_its_sentences() -> None:
    assert any(line.endswith("| 100.00 [100.00, 100.00] |") for line in lines(FIVE, outcomes(s1=1.0)))
    ranked = Outcome(
        {"test_image_to_text_medR": 20.0, "test_image_to_text_medR_low": 18.5, "test_image_to_text_medR_high": 22.0}
    )
    text = lines(THREE, {THREE.specs[0]: {1: ranked}})
    place = text.index("| irle, single task | published | 43.1 | 0.02 | 0.07 | 0.14 |")
    assert text[place + 1].startswith("|  | ours | 20.0 [18.5, 22.0] |")


def test_spread_over_seeds_is_shown() -> None:
    assert any(line.endswith("| 71.00 ± 1.41 |") for line in lines(FIVE, outcomes(s1=0.70, s2=0.72)))


def test_rows_are_compared_with_the_named_row() -> None:
    blank = TaggerSpec("2M-NER", "en", images="blank")
    found = {OURS: {1: Outcome({"test_f1": 1.0}, GOOD)}, blank: {1: Outcome({"test_f1": 0.5}, BAD)}}
    row = rows(CONTROLS, found)["blank images", "en"]
    expected = paired_bootstrap(BAD, GOOD)
    assert float(row["difference"]) == pytest.approx(100 * expected["difference"]) == -50
    assert float(row["p_value"]) == expected["p_value"]
    assert rows(CONTROLS, found)["2M-NER", "en"]["difference"] == ""
    *_, heads, _, line, _, _ = lines(CONTROLS, found)
    assert heads == "|  | en |"
    assert line == f"| blank images | -50.00 [-50.00, -50.00], p = {expected['p_value']:.3f} |"
    assert not any("Difference to" in line for line in lines(CONTROLS, outcomes(s1=0.7)))


def test_facts_and_the_reading_of_the_paper_stand_below_the_heading() -> None:
    text = lines(FIVE, {}, ["smoke scale", "seeds 1"])
    assert text[0] == "### 2M-NER, Table 5: All systems, in percent"
    assert text[2] == "smoke scale · seeds 1" and text[4] == FIVE.note


def test_a_table_that_the_paper_lacks_shows_ours_alone() -> None:
    text = lines(CONTROLS, outcomes(s1=1.0))
    start = text.index("**en**")
    assert text[start + 2] == "|  | PER | LOC | ORG | MISC | precision | recall | F1 |"
    assert text[start + 4].startswith("| 2M-NER |") and text[start + 4].endswith("| 100.00 [100.00, 100.00] |")


def test_columns_say_where_lower_is_better() -> None:
    assert "|  |  | medR ↓ | R@1 | R@5 | R@10 |" in lines(THREE, {})


@given(st.lists(st.floats(0, 100), min_size=2, max_size=12))
def test_mean_sd_and_interval_are_scipys(values: list[float]) -> None:
    scipy = pytest.importorskip("scipy.stats")
    summary = summarize(values)
    assert summary.mean == pytest.approx(fmean(values)) and summary.seeds == len(values)
    assert summary.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9) and summary.interval is not None
    half = scipy.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    assert summary.interval[1] - summary.mean == pytest.approx(half, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 5, 10, 11, 20, 100])
def test_quantiles_of_t(freedom: int) -> None:
    scipy = pytest.importorskip("scipy.stats")
    assert t_quantile(freedom) == pytest.approx(scipy.t.ppf(0.975, freedom), rel=5e-4)


def test_a_single_seed_has_no_spread_and_the_interval_that_it_is_given() -> None:
    assert summarize([3.0], (2.0, 4.0)).interval == (2.0, 4.0)
    assert summarize([3.0]).sd is None and summarize([3.0]).interval is None
    with pytest.raises(ValueError, match="one seed at least"):
        summarize([])


def test_the_interval_of_one_run_holds_its_f1() -> None:
    counts = np.array([[1, 2, 2]] * 30 + [[2, 2, 2]] * 30)
    low, high = f1_interval(counts)
    assert low < 2 * 90 / (120 + 120) < high and high - low < 0.2


def test_the_comparison_of_one_seed_is_the_paired_bootstrap() -> None:
    generator = np.random.default_rng(0)
    a, b = (np.stack([generator.integers(0, 2, 80), np.ones(80, int), np.ones(80, int)], axis=1) for _ in range(2))
    assert compare({3: a}, {3: b}) == paired_bootstrap(a, b)


def test_seeds_are_pooled_and_those_that_one_side_lacks_left_out() -> None:
    better, worse = [[1, 1, 1]] * 20, [[0, 1, 1]] * 20
    found = compare({1: better, 2: worse, 3: better}, {1: worse, 2: worse})
    assert found is not None and found["difference"] == 0.5
    assert compare({1: better}, {2: worse}) is None
