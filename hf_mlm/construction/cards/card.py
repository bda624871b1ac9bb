"""Licences of single images, counted for the card and the report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from datasets import DatasetInfo, Features, SplitDict, SplitInfo
from huggingface_hub import DatasetCard

from hf_mlm.construction.manifest import OutputFile, StageManifest
from hf_mlm.publishing.dataset_card import card_data, size_category
from hf_mlm.publishing.figures import markdown_table


UNSTATED = "not stated"


def images_by_licence(paths: Iterable[Path]) -> dict[str, int]:
    """How many images there are of each licence, most first.

    Args:
        paths: Parquet files with a row an image and its licence in the column ``licence``.
    """
    counts: Counter[str] = Counter()
    for path in paths:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(columns=["licence"]):
                counts.update(licence or UNSTATED for licence in batch.column(0).to_pylist())
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


PROVENANCE = "provenance.json"


def stage_table(manifests: Mapping[str, StageManifest]) -> str:
    """Rows, and what was left out or noticed, in Markdown.

    Args:
        manifests: of the stages, by name.
    """
    rows = [
        [f"`{name}`", f"{manifest.rows:,}", _counted(manifest.dropped), _counted(manifest.noted)]
        for name, manifest in manifests.items()
    ]
    return markdown_table(["stage", "rows", "left out", "noticed"], rows)


def _counted(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in counts.items()) or "–"


FILE = re.compile(r"(?P<config>[^/]+)/(?P<split>\w+)-\d{5}-of-\d{5}\.parquet")


@dataclass(frozen=True)
class Table:
    """A config of a dataset.

    Attributes:
        name: of the config, and of its folder.
        splits: name of a split -> its files, in order.
        features: of the rows.
    """

    name: str
    splits: Mapping[str, tuple[OutputFile, ...]]
    features: Features

    @property
    def files(self) -> Iterator[OutputFile]:
        """The files of all splits."""
        return (file for files in self.splits.values() for file in files)

    def rows(self, split: str) -> int:
        """How many rows a split has."""
        return sum(file.rows for file in self.splits[split])

    def info(self) -> DatasetInfo:
        """The same as `datasets` describes it."""
        sizes = {split: sum(file.bytes for file in files) for split, files in self.splits.items()}
        splits = SplitDict({split: SplitInfo(split, sizes[split], self.rows(split)) for split in self.splits})
        total = sum(sizes.values())
        return DatasetInfo(features=self.features, splits=splits, download_size=total, dataset_size=total)


def tables_in(folder: Path, files: Iterable[OutputFile] | None = None) -> list[Table]:
    """Find the tables of a folder: files named ``CONFIG/SPLIT-00000-of-00001.parquet``.

    Args:
        folder: of the dataset.
        files: what its manifest says; every Parquet file is read and hashed when omitted.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    found: dict[str, dict[str, list[OutputFile]]] = {}
    for file in _described(folder) if files is None else files:
        match = FILE.fullmatch(file.name)
        if match:
            found.setdefault(match["config"], {}).setdefault(match["split"], []).append(file)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no Parquet file such as CONFIG/train-00000-of-00001.parquet; name the dataset's folder."
        )
    return [_table(folder, config, splits) for config, splits in sorted(found.items())]


def _described(folder: Path) -> Iterator[OutputFile]:
    for path in sorted(folder.glob("*/*.parquet")):
        yield OutputFile.of(path, pq.read_metadata(path).num_rows, folder)


_ORDER = ("train", "validation", "test")


def _table(folder: Path, config: str, splits: Mapping[str, list[OutputFile]]) -> Table:
    ordered = sorted(splits, key=lambda split: (_ORDER.index(split) if split in _ORDER else len(_ORDER), split))
    listed = {split: tuple(sorted(splits[split], key=lambda file: file.name)) for split in ordered}
    schema = pq.read_schema(folder / listed[ordered[0]][0].name)
    return Table(config, listed, Features.from_arrow_schema(schema))


@dataclass(frozen=True)
class Description:
    """The part of card and Croissant that somebody has to say.

    Attributes:
        name: short name, of letters, digits, ``-`` and ``_``.
        title: heading of the card.
        summary: one or two sentences of Markdown.
        languages: ISO 639-1 codes.
        licences: name that the Hub has for a licence -> address of its text, or a sentence where there is none.
        citation: BibTeX.
        url: page of the dataset or of the software that made it.
        version: semantic version.
        date: of the sources, ISO 8601, where it is known.
        based_on: addresses of the sources.
        tasks: the Hub's task categories.
        tags: for search.
        sections: heading -> Markdown, in the order of the card; provenance, licences and limits have to be among them.
        responsible: property of Croissant's RAI vocabulary, such as ``"dataBiases"`` -> what there is to say.
    """

    name: str
    title: str
    summary: str
    languages: Sequence[str]
    licences: Mapping[str, str]
    citation: str
    url: str
    version: str
    date: str | None = None
    based_on: Sequence[str] = ()
    tasks: Sequence[str] = ()
    tags: Sequence[str] = ()
    sections: Mapping[str, str] = field(default_factory=dict)
    responsible: Mapping[str, str] = field(default_factory=dict)


def built_card(description: Description, tables: Sequence[Table]) -> DatasetCard:
    """Write the card.

    Args:
        description: of the dataset.
        tables: of its folder.
    """
    data = card_data({table.name: table.info() for table in tables})
    rows = sum(file.rows for table in tables for file in table.files)
    facts = {
        "license": list(description.licences),
        "language": list(description.languages),
        "pretty_name": description.title,
        "task_categories": list(description.tasks),
        "size_categories": [size_category(rows)],
        "tags": ["hf-mlm", *description.tags],
    }
    for name, value in facts.items():
        data[name] = value
    return DatasetCard(f"---\n{data}\n---\n\n{_body(description, tables)}\n")


def _body(description: Description, tables: Sequence[Table]) -> str:
    sections = {
        "Configs": markdown_table(["config", "split", "rows"], _sizes(tables)),
        **description.sections,
        "Files": _FILES + markdown_table(["file", "SHA-256"], _hashes(tables)),
        "Citation": f"```bibtex\n{description.citation.strip()}\n```",
    }
    blocks = [f"# {description.title}", description.summary, _snippet(tables)]
    blocks += [f"## {heading}\n\n{text}" for heading, text in sections.items()]
    return "\n\n".join(blocks)


_FILES = "`croissant.json` describes these files and their fields in Croissant 1.1.\n\n"


def _snippet(tables: Sequence[Table]) -> str:
    config = next((table.name for table in tables if "train" in table.splits), tables[0].name)
    lines = ["from datasets import load_dataset", "", f'rows = load_dataset("this/folder", "{config}")']
    return "\n".join(["```python", *lines, "```"])


def _sizes(tables: Sequence[Table]) -> list[list[str]]:
    return [[f"`{table.name}`", split, f"{table.rows(split):,}"] for table in tables for split in table.splits]


def _hashes(tables: Sequence[Table]) -> list[list[str]]:
    return [[f"`{file.name}`", f"`{file.sha256}`"] for table in tables for file in table.files]
