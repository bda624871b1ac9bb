"""The three evaluate modules, loaded as users load them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest

import hf_mlm.metrics
from hf_mlm.metrics.functional.entities import entity_report
from hf_mlm.metrics.functional.geo import geo_report
from hf_mlm.metrics.functional.retrieval import retrieval_report


REFERENCES = [["B-PER", "I-PER", "O"], ["O", "B-LOC"], ["I-LOC"], ["B-ORG", "O"], ["O"]]
PREDICTIONS = [["B-PER", "I-PER", "O"], ["O", "B-ORG"], ["B-LOC"], ["B-ORG", "O"], ["O"]]
GROUPS = ["en", "de", "en", "fr", "de"]


def load(name, **options):
    return evaluate.load(hf_mlm.metrics.path(name), **options)


def batches(rows, size=2):
    return [slice(start, start + size) for start in range(0, len(rows), size)]


def test_entities_in_batches_are_the_report_of_all():
    metric = load("entity_f1")
    for batch in batches(REFERENCES):
        metric.add_batch(predictions=PREDICTIONS[batch], references=REFERENCES[batch], groups=GROUPS[batch])
    assert len(metric) == 5
    assert metric.compute(mode="strict") == entity_report(REFERENCES, PREDICTIONS, mode="strict", groups=GROUPS)
    assert len(metric) == 0
    assert metric.compute(predictions=PREDICTIONS, references=REFERENCES) == entity_report(REFERENCES, PREDICTIONS)


def test_entities_one_by_one_and_as_ids():
    metric = load("entity_f1", label_names=["O", "B-PER", "I-PER"])
    metric.add(prediction=[1, 2, 0], reference=[1, -100, 2])
    metric.add_batch(predictions=np.array([[1, 0]]), references=np.array([[0, -100]]))
    assert metric.compute()["precision"] == 0.0
    metric.add(prediction=[1, 5, 2], reference=[1, -100, 2])
    assert metric.compute()["f1"] == 1.0


def test_entities_keep_counts_and_no_sentences():
    metric = load("entity_f1")
    metric.add_batch(predictions=PREDICTIONS, references=REFERENCES)
    kept = len(metric._pack())
    for _ in range(50):
        metric.add_batch(predictions=PREDICTIONS, references=REFERENCES)
    assert len(metric._pack()) < 1.5 * kept


def test_places_as_cells_and_as_coordinates():
    cells, places = np.array([[0, 1, 2, 2], [0, 2, 2, -1]]), np.arange(16.0).reshape(2, 4, 2)
    metric = load("geo")
    for batch in (slice(0, 3), slice(3, 4)):
        metric.add_batch(predictions=cells[0, batch], references=cells[1, batch])
        metric.add_batch(predictions=places[0, batch], references=places[1, batch])
    assert metric.compute() == geo_report(cells[1], cells[0], places[1], places[0])


def test_retrieval_in_batches_is_the_report_of_all():
    images, texts = np.random.default_rng(0).standard_normal((2, 7, 3)).astype(np.float32)
    metric = load("retrieval")
    for batch in batches(images):
        metric.add_batch(predictions=images[batch], references=texts[batch])
    metric.add_batch(predictions=images[:0], references=texts[:0])
    options = {"sample_size": 5, "repeats": 2, "seed": 3, "resamples": 20}
    assert metric.compute(**options) == retrieval_report(images, texts, **options)


def test_metrics_combine():
    combined = evaluate.combine([load("geo"), load("geo")])
    combined.add_batch(predictions=[0, 1], references=[0, 0])
    combined.add(prediction=2, reference=2)
    scores = combined.compute()
    assert scores["geo_0_accuracy"] == scores["geo_1_accuracy"] == 2 / 3
    both = evaluate.combine({"tags": load("entity_f1"), "again": load("entity_f1")}, force_prefix=True)
    assert both.compute(predictions=PREDICTIONS, references=REFERENCES)["tags_support"] == 4


@pytest.mark.parametrize(
    ("name", "call", "message"),
    [
        (
            "entity_f1",
            lambda m: m.add_batch(predictions=[["O"]]),
            "takes predictions and references together",
        ),
        ("entity_f1", lambda m: m.add(reference=["O"]), "takes predictions and references together"),
        ("geo", lambda m: m.add_batch(predictions=[1], references=[1], groups=[1]), "geo does not take 'groups'"),
        ("geo", lambda m: m.compute(), "geo scores nothing"),
        ("retrieval", lambda m: m.compute(), "retrieval ranks nothing"),
        (
            "retrieval",
            lambda m: m.add_batch(predictions=[[1.0]], references=[[1.0, 2.0]]),
            r"\(1, 1\) and",
        ),
    ],
)
def test_misuse_is_named(name, call, message):
    with pytest.raises(ValueError, match=message):
        call(load(name))


def test_a_refused_batch_leaves_the_sums_as_they_were():
    metric = load("entity_f1")
    metric.add_batch(predictions=PREDICTIONS, references=REFERENCES)
    with pytest.raises(ValueError, match="sentence 1"):
        metric.add_batch(predictions=[["B-PER"], ["O"]], references=[["B-PER"], ["O", "O"]])
    assert metric.compute() == entity_report(REFERENCES, PREDICTIONS)


@pytest.mark.parametrize("name", ["entity_f1", "geo", "retrieval"])
def test_the_cards_examples_run(name):
    card = Path(hf_mlm.metrics.path(name), "README.md").read_text()
    images = np.eye(6)
    names = {"batches": [(images[:4], images[:4]), (images[4:], images[4:])]}
    (example,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    *statements, last = example.strip().splitlines()
    exec("\n".join(statements), names)
    value = eval(last, names)
    if "#" in last:
        assert str(value).startswith(last.split("#")[1].strip().rstrip("."))
    else:
        assert value == (1.0, 1.0)


WORKER = """
import json, sys
import evaluate, numpy as np, hf_mlm.metrics
rank, cache = int(sys.argv[1]), sys.argv[2]

def load(name):
    options = {"num_process": 2, "process_id": rank, "experiment_id": "two", "cache_dir": cache}
    return evaluate.load(hf_mlm.metrics.path(name), **options)

tags, groups, cells, places, embeds = json.load(open(sys.argv[3]))
entities, geo, retrieval = load("entity_f1"), load("geo"), load("retrieval")
reports = []
for turn in range(2):
    entities.add_batch(references=tags[0][rank::2], predictions=tags[1][rank::2], groups=groups[rank::2])
    reports.append(entities.compute())
    if rank == 1:  # process 0 has seen no cell at all
        geo.add_batch(references=cells[0], predictions=cells[1])
    geo.add_batch(references=places[0][rank::2], predictions=places[1][rank::2])
    reports.append(geo.compute())
    half = slice(0, 4) if rank == 0 else slice(4, None)
    reports.append(retrieval.compute(predictions=embeds[0][half], references=embeds[1][half], resamples=10))
print(json.dumps(reports))
"""


@pytest.mark.heavy
def test_two_processes_report_what_one_does(tmp_path):
    generator = np.random.default_rng(0)
    cells, places = generator.integers(0, 3, (2, 9)), generator.uniform(-80, 80, (2, 9, 2))
    embeds = generator.standard_normal((2, 9, 4))
    data = [[REFERENCES, PREDICTIONS], GROUPS, cells.tolist(), places.tolist(), embeds.tolist()]
    (tmp_path / "data.json").write_text(json.dumps(data))
    command = [sys.executable, "-c", WORKER]
    workers = [
        subprocess.Popen([*command, str(rank), tmp_path, tmp_path / "data.json"], stdout=-1, stderr=-1, text=True)
        for rank in (0, 1)
    ]
    outputs = [worker.communicate(timeout=300) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers), outputs
    first, second = (json.loads(stdout.splitlines()[-1]) for stdout, _ in outputs)
    assert second == [None] * 6
    expected = [
        entity_report(REFERENCES, PREDICTIONS, groups=GROUPS),
        geo_report(cells[0], cells[1], places[0], places[1]),
        json.loads(json.dumps(retrieval_report(embeds[0], embeds[1], resamples=10))),
    ]
    for turn in (first[:3], first[3:]):
        assert turn[0] == expected[0]
        assert turn[1] == pytest.approx(expected[1], rel=1e-12)
        assert turn[2] == expected[2]
