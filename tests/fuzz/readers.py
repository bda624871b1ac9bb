"""Readers under attack: for each, valid files to change, and a call that reads them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


Files = dict[str, bytes]


@dataclass(frozen=True)
class Reader:
    """A reader with its seeds.

    Args:
        seeds: sets of valid files by name; the first file of a set is the one that is changed.
        read: reads a folder, and gives what can be compared by ``repr``; a generator is run to its end.
        exact: whether the files have checksums, so that other rows than the seed's are a fault.
        names: parts of a message that stand for the file, beside its name.
        share: how many of a hundred thousand inputs go to it.
    """

    seeds: Callable[[], list[Files]]
    read: Callable[[Path], Any]
    exact: bool = False
    names: tuple[str, ...] = ()
    share: int = 5_000


READERS: dict[str, Reader] = {}


Read = Callable[[Path], Any]


def reader(seeds: Callable[[], list[Files]], **settings: Any) -> Callable[[Read], Read]:
    """Register a function that reads a folder."""

    def register(read: Read) -> Read:
        READERS[read.__name__] = Reader(cache(seeds), read, **settings)
        return read

    return register


def only_file(folder: Path) -> Path:
    """The first file of a set; the others' names begin with a letter behind."""
    return min(path for path in folder.iterdir() if path.is_file())


CONLL = "IMGID:O_1\nHana\tB-PER\nLind\tI-PER\nlives\tO\nin\tO\nCork\tB-LOC\n\nIMGID:12\nOslo\tB-LOC\nsings\tO\n\n"
CONLLU = "# id = 1\n1\tHana\t_\t_\t_\t_\t_\t_\t_\tB-PER\n2-3\tal\t_\t_\t_\t_\t_\t_\t_\tO\n\n"


def conll_seeds() -> list[Files]:
    """MMNERD's, CoNLL-2003's with BILOU labels, and CoNLL-U's."""
    bilou = "-DOCSTART- O\n\nHana NNP B-PER\nLind NNP L-PER\nis VB O\nin IN O\nCork NNP U-LOC\n\n"
    return [{"a.txt": text.encode()} for text in (CONLL, bilou, CONLLU)]


@reader(conll_seeds, share=14_000)
def conll(folder: Path) -> Any:
    """CoNLL; what was read is written, and reads the same again."""
    from hf_mlm.data.mmnerd.conll import format_conll, parse_conll, read_conll

    sentences = read_conll(only_file(folder))
    try:
        written = format_conll(sentences)
    except ValueError:  # labels of another scheme, or no image
        return sentences
    again = [(each.tokens, each.tags) for each in parse_conll(written)]
    if again != [(each.tokens, each.tags) for each in sentences]:
        raise AssertionError("what was written reads otherwise")
    return sentences


def record_seeds() -> list[Files]:
    """JSON lines with spans, JSON with tokens, CSV."""
    spans = '{"text": "Hana sings in Cork", "spans": [[0, 4, "PER"], [14, 18, "LOC"]]}\n'
    tokens = '[{"tokens": ["Hana", "sings"], "ner_tags": ["B-PER", "O"]}]'
    table = "sentence,token,tag\n1,Hana,B-PER\n1,sings,O\n2,Cork,B-LOC\n"
    return [{"a.jsonl": spans.encode() * 2}, {"a.json": tokens.encode()}, {"a.csv": table.encode()}]


@reader(record_seeds, share=10_000)
def records(folder: Path) -> Any:
    """Sentences with entities in JSON, CSV and TSV."""
    from hf_mlm.data.mmnerd.records import read_sentences

    return read_sentences(only_file(folder))


def json_seeds() -> list[Files]:
    """The authors' raw JSON."""
    entity = {
        "id": 64,
        "item": "Q64",
        "label": "Berlin",
        "coordinates": ["52.5", "13.4"],
        "summaries": {"en_wiki": "Berlin is a city", "de_wiki": "Berlin ist", "fr_wiki": None},
        "images": ["Q64_0.png"],
        "classes": ["city", "capital"],
    }
    return [{"MLM_a.json": json.dumps([entity, {**entity, "id": 65, "item": "Q65"}]).encode()}]


@reader(json_seeds, share=10_000)
def raw_json(folder: Path) -> Any:
    """MLM's raw JSON."""
    from hf_mlm.data.mlm.raw_json import RawFile

    return list(RawFile(only_file(folder), folder).rows())


def archive_seeds() -> list[Files]:
    """Tables of one's own, in CSV, JSON and JSON lines."""
    table = "id,title,lat,lon,text\na1,Cork,51.9,-8.5,A port\na2,Oslo,59.9,10.7,A fjord\n"
    rows = [{"id": "a1", "title": "Cork", "latitude": 51.9, "longitude": -8.5, "summary_en": "A port"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows * 2)
    return [{"a.csv": table.encode()}, {"a.json": json.dumps(rows).encode()}, {"a.jsonl": lines.encode()}]


@reader(archive_seeds, share=8_000, names=("records", "columns", "column"))
def own_archive(folder: Path) -> Any:
    """Archives of one's own."""
    from hf_mlm.data.mlm.archives.reading import Archive

    return [repr(entry) for entry in Archive.open(folder).entries()]


def hdf5_seeds() -> list[Files]:
    """Final and pilot features of two entities, plain and compressed."""
    import h5py
    import numpy as np

    found = []
    for packing in ({}, {"compression": "gzip", "shuffle": True}):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file["ids"] = np.array([64, 65])
            for entity in (64, 65):
                values = np.arange(8, dtype="f4").reshape(2, 4) + entity
                for name in ("images", "summaries", "classes"):
                    file.create_dataset(f"{entity}_{name}", data=values, **packing)
                file[f"{entity}_onehot"] = np.eye(3, dtype="f4")[entity % 3]
                file[f"{entity}_coordinates"] = np.float32([entity, 13.4])
        found.append({"train.h5": buffer.getvalue()})
    return found


@reader(hdf5_seeds, share=9_000)
def hdf5(folder: Path) -> Any:
    """The authors' HDF5 features."""
    from hf_mlm.data.mlm.layout import find_layout, open_features

    return _tables(open_features(find_layout(folder, "irle"), "float32", 0).splits)


def _tables(splits: Any) -> list[Any]:
    return [table.to_pydict() for shards in splits.values() for shard in shards for table in shard.tables()]


def feature_seeds() -> list[Files]:
    """A conversion of the features."""
    from tempfile import TemporaryDirectory

    from hf_mlm.data.convert import convert

    with TemporaryDirectory() as name:
        Path(name, "source").mkdir()
        Path(name, "source", "train.h5").write_bytes(hdf5_seeds()[0]["train.h5"])
        convert(Path(name, "source"), Path(name, "out"))
        files = {path.name: path.read_bytes() for path in Path(name, "out").iterdir()}
    shard = next(name for name in files if name.endswith(".parquet"))
    return [{shard: files[shard], **files}, {"mlm_features.json": files["mlm_features.json"], **files}]


@reader(feature_seeds, exact=True, share=6_000, names=("conversion", "hf-mlm data convert"))
def features(folder: Path) -> Any:
    """Converted features and their manifest."""
    from hf_mlm.data.mlm.parquet import MANIFEST, open_manifest

    spec, shards = open_manifest(folder / MANIFEST, "float32")
    return spec, _tables(shards)


def built_seeds() -> list[Files]:
    """Rows as a build writes them."""
    from tempfile import TemporaryDirectory

    import pyarrow as pa
    import pyarrow.parquet as pq

    from hf_mlm.data.mlm.parquet import INDEX, BuiltRows

    with TemporaryDirectory() as name:
        table = pa.table({"entity_id": ["Q64", "Q65"], "latitude": [52.5, 51.9], "text": ["Berlin", "Cork"]})
        pq.write_table(table, Path(name, "a.parquet"))
        sizes = {"a.parquet": Path(name, "a.parquet").stat().st_size}
        BuiltRows({"mlm": {"train": ["a.parquet"]}}, sizes).save(Path(name, INDEX))
        files = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return [{"a.parquet": files["a.parquet"], **files}]


@reader(built_seeds, exact=True, share=6_000)
def built_rows(folder: Path) -> Any:
    """Built rows."""
    from hf_mlm.data.mlm.parquet import INDEX, open_built

    return _tables(open_built(folder / INDEX, "mlm")[1])


def index_seeds() -> list[Files]:
    """The index of a build, changed."""
    from hf_mlm.data.mlm.parquet import INDEX

    return [{INDEX: files[INDEX], **files} for files in built_seeds()]


@reader(index_seeds, share=4_000, names=("Expected rows",))
def built_index(folder: Path) -> Any:
    """The index of built rows."""
    from hf_mlm.data.mlm.parquet import INDEX, open_built

    return _tables(open_built(folder / INDEX, "mlm")[1])


def manifest_seeds() -> list[Files]:
    """The manifest of a stage."""
    from hf_mlm.construction.stage import StageManifest

    text = StageManifest("places", "0.1", [], {"a": "b"}, {"date": "2026"}, {"dropped": 1}, {})._text()
    return [{"manifest.json": text.encode()}]


@reader(manifest_seeds, share=4_000)
def stage_manifest(folder: Path) -> Any:
    """Manifests of constructions."""
    from hf_mlm.construction.stage import StageManifest

    return StageManifest.load(folder / "manifest.json")


def gallery_seeds() -> list[Files]:
    """A gallery, with a FAISS index where there is FAISS."""
    from tempfile import TemporaryDirectory

    import torch
    from datasets import Dataset

    from hf_mlm.runs.gallery import write_gallery

    torch.manual_seed(0)
    embeds = {kind: torch.nn.functional.normalize(torch.randn(9, 4)) for kind in ("image", "text")}
    entities = Dataset.from_dict({"entity_id": [f"Q{number}" for number in range(9)]})
    with suppress(ImportError):
        entities.add_faiss_index_from_external_arrays(embeds["image"].numpy(), "image")
    with TemporaryDirectory() as name:
        write_gallery(Path(name), embeds, entities, "someone")
        files = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    return [{first: files[first], **files} for first in files]


@reader(gallery_seeds, exact=True, share=4_000, names=("the gallery in", "there is no gallery"))
def gallery(folder: Path) -> Any:
    """Galleries: embeddings, entities and FAISS indexes."""
    from hf_mlm.runs.gallery import read_gallery

    embeds, entities, _ = read_gallery(folder)
    return {kind: values.tolist() for kind, values in embeds.items()}, entities.to_dict()


def partition_seeds() -> list[Files]:
    """A partition of three cells."""
    from tempfile import TemporaryDirectory

    from hf_mlm.geo.partition import GeoCellPartition

    with TemporaryDirectory() as name:
        GeoCellPartition.from_tokens(["10c", "47b", "9c4"], [3, 2, 1]).save(Path(name, "cells.json"))
        return [{"cells.json": Path(name, "cells.json").read_bytes()}]


@reader(partition_seeds, share=5_000)
def partition(folder: Path) -> Any:
    """Partitions of the earth."""
    from hf_mlm.geo.partition import GeoCellPartition

    loaded = GeoCellPartition.load(only_file(folder))
    return loaded.tokens, loaded.counts.tolist(), loaded.assign([52.5], [13.4]).tolist()


def vector_seeds() -> list[Files]:
    """Vectors as word2vec and GloVe write them, plain and gzipped, and in safetensors."""
    from tempfile import TemporaryDirectory

    import numpy as np
    from safetensors.numpy import save_file

    text = b"2 3\nhana 0.1 -2 3e-1\ncork 1 2 3\n"
    with TemporaryDirectory() as name:
        path = str(Path(name, "a.safetensors"))
        save_file({"vectors": np.ones((2, 3), np.float32)}, path, {"words": json.dumps(["hana", "cork"])})
        packed = Path(path).read_bytes()
    return [{"a.vec": text}, {"a.txt": text[4:]}, {"a.txt.gz": gzip.compress(text)}, {"a.safetensors": packed}]


@reader(vector_seeds, share=6_000)
def vectors(folder: Path) -> Any:
    """Word vectors."""
    from hf_mlm.models.word_level.vectors import read_word_vectors

    found = read_word_vectors(only_file(folder))
    return [(word, None if found.get(word) is None else found.get(word).tolist()) for word in found.words]


def box_seeds() -> list[Files]:
    """Boxes of two images."""
    lines = (
        '{"image_id": "O_12", "boxes": [[0, 0, 99.5, 60], [3, 4, 5, 6]], "scores": [0.9, 0.1]}\n'
        '{"image_id": "7", "boxes": []}\n'
    )
    return [{"boxes.jsonl": lines.encode()}]


@reader(box_seeds, share=6_000)
def boxes(folder: Path) -> Any:
    """Files of boxes."""
    from hf_mlm.models.base.regions import BoxFile

    found = BoxFile(only_file(folder))
    return [found.boxes(image, 100, 100) for image in ("O_12", "7")]


def dump_seeds() -> list[Files]:
    """Two items of a Wikidata dump, plain and compressed."""
    position = {"latitude": 52.5, "longitude": 13.4, "globe": "http://www.wikidata.org/entity/Q2", "precision": 0.1}
    claims = {
        "P625": [{"rank": "normal", "mainsnak": {"snaktype": "value", "datavalue": {"value": position}}}],
        "P31": [{"rank": "normal", "mainsnak": {"snaktype": "value", "datavalue": {"value": {"id": "Q515"}}}}],
    }
    labels = {"en": {"language": "en", "value": "Berlin"}}
    item = {"type": "item", "id": "Q64", "labels": labels, "claims": claims, "sitelinks": {}}
    text = "[\n" + ",\n".join(json.dumps({**item, "id": name}) for name in ("Q64", "Q65")) + "\n]\n"
    content = text.encode()
    return [{"a.json": content}, {"a.json.gz": gzip.compress(content)}, {"a.json.bz2": bz2.compress(content)}]


@reader(dump_seeds, share=5_000)
def dump(folder: Path) -> Any:
    """Lines of Wikidata's dump; what is damaged is dropped and counted."""
    from hf_mlm.construction.mlm.dump import ReadDump

    block = ReadDump([only_file(folder)], ["en"], "2026-01-05")
    rows = [document.metadata for document in block.run(None, 0, 1)]
    counted = {**block.ledger.dropped, **block.ledger.noted}
    if counted:  # told in the manifest of the task, and so no silent change
        raise ValueError(f"Expected items in {only_file(folder)}, found {counted}.")
    return rows


def packed_seeds() -> list[Files]:
    """A zip file and two tar files."""
    found = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in ("MLM/a.txt", "MLM/b/c.txt"):
            zipped.writestr(name, name * 50)
    found.append({"a.zip": buffer.getvalue()})
    for mode, name in (("w", "a.tar"), ("w:gz", "a.tar.gz")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as packed:  # type: ignore[call-overload]
            for member in ("MLM/a.txt", "MLM/" + "b" * 120 + "/c.txt"):
                info = tarfile.TarInfo(member)
                info.size = 50
                packed.addfile(info, io.BytesIO(b"x" * 50))
        found.append({name: buffer.getvalue()})
    return found


@reader(packed_seeds, share=3_000, names=("is there already",))
def archives(folder: Path) -> Any:
    """Zip and tar archives; nothing is written outside their folder."""
    from hf_mlm.data.download import unpack

    unpack(only_file(folder), folder / "unpacked")
    return sorted(str(path.relative_to(folder)) for path in (folder / "unpacked").rglob("*"))


def recipe_seeds() -> list[Files]:
    """A recipe."""
    text = "dataset: irle\nlearning_rate: 1e-4\nmodel: {margin: 0.2, tasks: [geo]}\nlabel_names: [a, b]\nbf16: false\n"
    return [{"a.yaml": text.encode()}]


@reader(recipe_seeds, share=1_000, names=("argument", "setting"))
def recipe(folder: Path) -> Any:
    """Recipes of trainings."""
    from hf_mlm.runs.settings import parse_settings
    from hf_mlm.training.irle.arguments import ARGUMENTS

    return parse_settings(list(ARGUMENTS), ["--config", str(only_file(folder))], "fuzz")


@cache
def _models() -> list[Files]:
    """Tiny models: an IR+LE on features and a CRF tagger."""
    from tempfile import TemporaryDirectory

    import torch
    from transformers import BertConfig

    from hf_mlm import CRFTaggerConfig, CRFTaggerForTokenClassification, IRLEConfig, IRLEForRetrievalAndGeo
    from hf_mlm.models.base.processing import TaggerProcessor
    from hf_mlm.training.irle.building import learn_tokenizer

    torch.manual_seed(0)
    sizes = {"image_feature_size": 2, "summary_feature_size": 2, "class_feature_size": 2, "embedding_size": 2}
    tokenizer = learn_tokenizer(["Hana sings in Cork"], 60)
    text = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=4,
        max_position_embeddings=16,
    )
    labels = dict(enumerate(("O", "B-PER", "I-PER")))
    made = [
        (IRLEForRetrievalAndGeo(IRLEConfig(**sizes, num_geo_cells=2)), None),
        (CRFTaggerForTokenClassification(CRFTaggerConfig(text_encoder_config=text, id2label=labels)), tokenizer),
    ]
    found = []
    for model, processor in made:
        with TemporaryDirectory() as name:
            model.save_pretrained(name)
            if processor is not None:
                TaggerProcessor(processor, 16).save_pretrained(name)
            found.append({path.name: path.read_bytes() for path in Path(name).iterdir()})
    return found


def model_seeds() -> list[Files]:
    """Each file of the models."""
    return [{first: files[first], **files} for files in _models() for first in files if not first.endswith("tensors")]


@reader(model_seeds, share=500, names=("in {}", "{} holds", "{} has"))
def saved_model(folder: Path) -> Any:
    """Configurations, processors and tokenizers of saved models."""
    from hf_mlm.runs.open_model import open_model

    model, processor = open_model(folder)
    return type(model).__name__, type(processor).__name__


def weight_seeds() -> list[Files]:
    """The weights of the models."""
    return [{"model.safetensors": files["model.safetensors"], **files} for files in _models()]


@reader(weight_seeds, share=500, names=("in {}",))
def weights(folder: Path) -> Any:
    """Weights of saved models."""
    from hf_mlm.runs.open_model import open_model

    return sorted(name for name, _ in open_model(folder)[0].named_parameters())


def environment() -> None:
    """Keep libraries quiet, single-threaded and offline."""
    os.environ.update(
        {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false"},
        HF_HUB_DISABLE_PROGRESS_BARS="1",
        TRANSFORMERS_VERBOSITY="critical",
    )
