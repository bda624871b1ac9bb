"""Exported files in onnxruntime against the models in PyTorch, and what an export leaves on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, AutoProcessor, BertConfig

from hf_mlm.data.mmnerd.schemes import violation
from hf_mlm.export import onnx, runtime
from hf_mlm.export.graphs import tagger_graphs
from hf_mlm.export.onnx import check_parity, export
from hf_mlm.export.runtime import open_session, run


onnx_library = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.real


Arrays = dict[str, np.ndarray]


def sentences(rows: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Sentences of 0 to 28 sub-tokens beside the special ones, of words of 1 to 3, padded to the longest."""
    generator = torch.Generator().manual_seed(1000 * seed + rows)
    lengths = torch.randint(0, 29, (rows, 1), generator=generator)
    places = torch.arange(int(lengths.max()) + 2)  # (tokens,)
    word_ids = (torch.rand(rows, len(places), generator=generator) < 0.6).long().cumsum(1)
    word_ids = word_ids.where((places > 0) & (places <= lengths), -1)
    return {
        "input_ids": torch.randint(5, 32, word_ids.shape, generator=generator),
        "attention_mask": (places < lengths + 2).long(),
        "word_ids": word_ids,
    }


def computed(folder: Path, batch: dict[str, torch.Tensor], file: str = "model.onnx") -> Arrays:
    return run(open_session(folder / file), {name: values.numpy() for name, values in batch.items()})


def expected(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A tagger's outputs and, as the pipeline has them, the probabilities of its labels."""
    with torch.inference_mode():
        outputs = model(**batch)
        words = outputs.predictions >= 0
        chosen = outputs.predictions.clamp(min=0).unsqueeze(-1)
        scores = model.head.probabilities(outputs.logits, words).gather(-1, chosen).squeeze(-1)
    return {"logits": outputs.logits, "predictions": outputs.predictions, "scores": scores * words}


def assert_same(ours: Arrays, theirs: dict[str, torch.Tensor]) -> None:
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        assert ours[name].dtype == values.numpy().dtype
        np.testing.assert_allclose(ours[name], values.numpy(), 1e-4, 1e-4, err_msg=name)


@pytest.mark.parametrize("rows", [1, 2, 5, 16, 33])
def test_crf_tagger_decodes_batches_of_any_size_and_ragged_lengths(
    crf_model: Path, crf_export: Path, rows: int
) -> None:
    model = AutoModelForTokenClassification.from_pretrained(crf_model)
    batch = sentences(rows)
    ours = computed(crf_export, batch)
    assert_same(ours, expected(model, batch))
    assert ours["predictions"].dtype == np.int64


def test_decoding_in_the_graph_keeps_to_iob2_where_single_words_would_not(crf_model: Path, crf_export: Path) -> None:
    names = AutoConfig.from_pretrained(crf_model).label_names
    batch = sentences(33)
    ours = computed(crf_export, batch)
    wrong = {"predictions": 0, "logits": 0}
    for row, labels in enumerate(ours["predictions"]):
        words = labels >= 0
        decoded = {"predictions": labels[words], "logits": ours["logits"][row, words].argmax(-1)}
        for name, numbers in decoded.items():
            wrong[name] += violation([names[number] for number in numbers]) is not None
    assert wrong["predictions"] == 0 < wrong["logits"]


@pytest.mark.parametrize("rows", [1, 2, 33])
@pytest.mark.parametrize("images", [1, 2, 7])
def test_two_mner_takes_any_number_of_images(
    two_mner_model: Path, two_mner_export: Path, rows: int, images: int
) -> None:
    model = AutoModelForTokenClassification.from_pretrained(two_mner_model)
    generator = torch.Generator().manual_seed(rows)
    pixels = torch.randn(images, 3, 32, 32, generator=generator)
    index = torch.randint(-1, images, (rows,), generator=generator)
    batch = {**sentences(rows), "pixel_values": pixels, "image_index": index}
    assert_same(computed(two_mner_export, batch), expected(model, batch))


def test_two_mner_without_any_image_is_asked_with_one_of_zeros(two_mner_model: Path, two_mner_export: Path) -> None:
    model = AutoModelForTokenClassification.from_pretrained(two_mner_model)
    batch = sentences(4)
    blank = {"pixel_values": torch.zeros(1, 3, 32, 32), "image_index": torch.full((4,), -1)}
    ours = computed(two_mner_export, batch | blank)
    assert_same(ours, expected(model, batch))
    seen = computed(two_mner_export, batch | blank | {"image_index": torch.zeros(4, dtype=torch.int64)})
    assert np.abs(seen["logits"] - ours["logits"]).max() > 0.01  # an image counts, where there is one


@pytest.mark.parametrize("rows", [1, 3, 33])
def test_each_side_of_irle_is_asked_alone(irle_model: Path, irle_export: Path, rows: int) -> None:
    model = AutoModel.from_pretrained(irle_model)
    texts, classes = sentences(rows), sentences(rows, seed=1)
    batch = {
        "input_ids": texts["input_ids"],
        "attention_mask": texts["attention_mask"],
        "class_input_ids": classes["input_ids"],
        "class_attention_mask": classes["attention_mask"],
    }
    image = {"pixel_values": torch.randn(rows, 3, 32, 32)}
    with torch.inference_mode():
        outputs = model(**batch, **image, return_loss=False)
    ours = computed(irle_export, image, "image_model.onnx") | computed(irle_export, batch, "text_model.onnx")
    names = ("image_embeds", "image_geo_logits", "text_embeds", "text_geo_logits")
    assert_same(ours, {name: outputs[name] for name in names})


def test_weights_beyond_the_limit_lie_beside_the_file_and_features_need_no_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hf_mlm import IRLEForRetrievalAndGeo
    from tests.models.irle import tiny

    model = IRLEForRetrievalAndGeo(tiny.feature_config(tasks=["geo"], use_classes=False)).eval()
    model.save_pretrained(tmp_path / "model")
    monkeypatch.setattr("torch.onnx._internal.exporter._onnx_program._LARGE_MODEL_THRESHOLD", 0)  # as if beyond 2 GB
    folder = export(tmp_path / "model", tmp_path / "onnx", quantize="int8")
    files = {path.name for path in folder.glob("*.onnx*")}
    assert files >= {f"{side}_model{kind}" for side in ("image", "text") for kind in (".onnx.data", "_int8.onnx")}
    batch = tiny.feature_batch(5)
    with torch.inference_mode():
        images, texts = model.encode_images(batch["image_features"]), model.encode_texts(batch["summary_features"])
    ours = computed(folder, {"image_features": batch["image_features"]}, "image_model.onnx")
    ours |= computed(folder, {"summary_features": batch["summary_features"]}, "text_model.onnx")
    assert_same(ours, {"image_geo_logits": images.geo_logits, "text_geo_logits": texts.geo_logits})


def test_weights_that_are_used_twice_are_quantised_too(tmp_path: Path) -> None:
    """The head of places is asked of the summary and of the classes."""
    from hf_mlm import IRLEForRetrievalAndGeo
    from tests.models.irle import tiny

    model = IRLEForRetrievalAndGeo(tiny.feature_config()).eval()
    model.save_pretrained(tmp_path / "model")
    folder = export(tmp_path / "model", tmp_path / "onnx", quantize="int8")
    batch = tiny.feature_batch(5)
    texts = {name: batch[name] for name in ("summary_features", "class_features")}
    exact, small = (computed(folder, texts, file) for file in ("text_model.onnx", "text_model_int8.onnx"))
    assert small["text_geo_logits"] == pytest.approx(exact["text_geo_logits"], abs=0.05)


def test_softmax_heads_are_exported_with_their_probabilities(tmp_path: Path) -> None:
    from hf_mlm import CRFTaggerForTokenClassification
    from tests.models.crf_tagger import tiny

    model = CRFTaggerForTokenClassification(tiny.config(head="softmax")).eval()
    (graph,) = tagger_graphs(model, ())
    onnx.write_graph(graph, tmp_path / graph.file)
    assert_same(computed(tmp_path, sentences(6)), expected(model, sentences(6)))


@pytest.mark.parametrize(("name", "opset"), [("crf_export", 18), ("two_mner_export", 20), ("irle_export", 23)])
def test_files_say_what_they_are(name: str, opset: int, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(name)
    description = json.loads((folder / "export.json").read_text())
    readme = (folder / "README.md").read_text()
    assert f"Opset {opset}" in readme
    assert (folder / "tokenizer.json").is_file()
    assert AutoProcessor.from_pretrained(folder) is not None
    for file, values in description["files"].items():
        model = onnx_library.load(folder / file)
        assert [entry.version for entry in model.opset_import if entry.domain == ""] == [opset]
        for kind, found in (("inputs", model.graph.input), ("outputs", model.graph.output)):
            told = {name: value["shape"] for name, value in values[kind].items()}
            shapes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in found}
            assert list(shapes) == list(told)
            assert all(f"`{name}`" in readme for name in told)
            if kind == "inputs":
                assert shapes == told
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    assert str(folder.parent) not in readme + (folder / "config.json").read_text()


def test_disagreement_is_noticed_and_nothing_is_kept(
    crf_model: Path, crf_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AutoModelForTokenClassification.from_pretrained(crf_model)
    (graph,) = tagger_graphs(model, ())
    check_parity(graph, crf_export / "model.onnx")
    with torch.no_grad():
        model.head.classifier.bias += 0.01
    with pytest.raises(ValueError, match="disagrees with PyTorch by 0.01 in logits of a batch of 3"):
        check_parity(graph, crf_export / "model.onnx")

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx, "check_parity", interrupted)
    program = SimpleNamespace(save=lambda path, **_: path.write_bytes(b"half"))  # no need to wait for a true one
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: program)
    with pytest.raises(KeyboardInterrupt):
        export(crf_model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_one_sentence(crf_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="opset 17 is too old: 18 is the least that works"):
        export(crf_model, out, opset=17)
    with pytest.raises(ValueError, match="opset 99 is too new"):
        export(crf_model, out, opset=99)
    with pytest.raises(ValueError, match="quantize='int4' is unknown; choose one of int8"):
        export(crf_model, out, quantize="int4")
    with pytest.raises(ValueError, match="is there already"):
        export(crf_model, crf_model)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        export(tmp_path / "absent", out)
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        export(tmp_path, out)
    BertConfig().save_pretrained(tmp_path / "bert")
    with pytest.raises(ValueError, match="found 'bert'"):
        export(tmp_path / "bert", out)
    AutoModelForTokenClassification.from_pretrained(crf_model).save_pretrained(tmp_path / "bare")
    with pytest.raises(ValueError, match="the processor in .*bare cannot be opened"):
        export(tmp_path / "bare", out)
    monkeypatch.setattr(runtime, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ImportError, match=r'ONNX needs no_such_package: pip install "hf-mlm\[onnx\]"'):
        export(crf_model, out)
    assert not out.exists()
