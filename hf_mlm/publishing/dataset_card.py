"""A dataset repository's card: what its configs hold, where the rows come from, and the hashes of its files."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

from hf_mlm.publishing.figures import markdown_table
from hf_mlm.publishing.model_card import CITATIONS, HOME, TEMPLATES
from hf_mlm.publishing.run_facts import languages_of
from hf_mlm.world.sources import ATTRIBUTION


TITLES = {"mlm": "MLM: multiple languages and modalities", "mmnerd": "MMNERD: multilingual multimodal entities"}
TASKS = {"mlm": ["image-to-text", "feature-extraction"], "mmnerd": ["token-classification"]}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def config_folder(config: str) -> str:
    """The folder of a config in its repository; ``en+de`` has a sign that addresses cannot hold.

    Example:
        >>> config_folder("en+de")
        'en_de'
    """
    return config.replace("+", "_")


def dataset_card(
    dataset: str, repo_id: str, infos: Mapping[str, Any], hashes: Mapping[str, str], before: DatasetCard | None = None
) -> DatasetCard:
    """Write the card of a repository; configs that were pushed before stay in it.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``.
        repo_id: where it will be.
        infos: ``datasets.DatasetInfo`` of each config that is new.
        hashes: SHA-256 of each data file, by its path in the repository.
        before: the card that is there.
    """
    data = card_data(infos, before)
    known = DatasetInfosDict.from_dataset_card_data(data)
    for name, value in _metadata(dataset, known).items():
        data[name] = value
    return DatasetCard(f"---\n{data}\n---\n\n{_body(dataset, repo_id, known, hashes)}")


def card_data(infos: Mapping[str, Any], before: DatasetCard | None = None) -> DatasetCardData:
    """The YAML by which ``load_dataset`` opens the configs of a folder.

    Args:
        infos: ``datasets.DatasetInfo`` of each config.
        before: a card whose configs are kept.
    """
    kept = {name: before.data.get(name) for name in ("configs", "dataset_info")} if before else {}
    data = DatasetCardData(**{name: value for name, value in kept.items() if value})
    configs = {name: {"data_files": data_files(name, info.splits)} for name, info in infos.items()}
    MetadataConfigs(configs).to_dataset_card_data(data)
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data


def size_category(rows: int) -> str:
    """The Hub's name of a dataset's size.

    Example:
        >>> size_category(23_640)
        '10K<n<100K'
    """
    return next((name for bound, name in SIZES if rows < bound), "1M<n<10M")


def data_files(config: str, splits: Mapping[str, Any]) -> list[dict[str, str]]:
    """Where the splits of a config lie, as a card's YAML tells ``load_dataset``.

    Example:
        >>> data_files("irle-gr", ["train"])
        [{'split': 'train', 'path': 'irle-gr/train-*'}]
    """
    return [{"split": str(split), "path": f"{config_folder(config)}/{split}-*"} for split in splits]


def dataset_licence(dataset: str, configs: Mapping[str, Any]) -> str:
    """The Hub's name of the licence of a repository with these configs."""
    return "unknown" if dataset == "mmnerd" and set(configs) - {"demo"} else "cc-by-4.0"


def _metadata(dataset: str, infos: Mapping[str, Any]) -> dict[str, Any]:
    rows = sum(split.num_examples for info in infos.values() for split in info.splits.values())
    return {
        "license": dataset_licence(dataset, infos),
        "language": list(languages_of(dataset, infos)),
        "pretty_name": dataset.upper(),
        "task_categories": TASKS[dataset],
        "size_categories": [size_category(rows)],
        "tags": ["hf-mlm", *(["geospatial"] if dataset == "mlm" else [])],
    }


def _body(dataset: str, repo_id: str, infos: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    template = Template((TEMPLATES / f"dataset_{dataset}.md").read_text(encoding="utf-8"))
    rows = [
        [f"`{name}`", split, f"{part.num_examples:,}"]
        for name, info in infos.items()
        for split, part in info.splits.items()
    ]
    files = [[f"`{path}`", f"`{sha256}`"] for path, sha256 in sorted(hashes.items())]
    return template.substitute(
        title=TITLES[dataset],
        home=HOME,
        repo_id=repo_id,
        config=next(iter(infos)),
        configs=markdown_table(["config", "split", "rows"], rows),
        demo=f"\n{ATTRIBUTION}\n" if "demo" in infos else "",
        hashes=markdown_table(["file", "SHA-256"], files),
        citation=CITATIONS[dataset].strip(),
    )
