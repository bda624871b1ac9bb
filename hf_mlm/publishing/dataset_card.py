"""A dataset repository's card: its configs, where their rows come from, and the hashes of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

from hf_mlm.publishing.cards import (
    CITATIONS,
    HOME,
    ORIGINS,
    OWN,
    TEMPLATES,
    check_licence,
    code,
    markdown_table,
    with_front_matter,
)
from hf_mlm.publishing.run_facts import languages_of


TASKS = {"mlm": ["image-to-text", "feature-extraction"], "mmnerd": ["token-classification"]}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(
    dataset: str,
    repo_id: str,
    infos: Mapping[str, Any],
    hashes: Mapping[str, str],
    *,
    origin: str,
    licence: str,
    languages: Sequence[str] = (),
    before: DatasetCard | None = None,
) -> DatasetCard:
    """Write the card of a repository; configs that were pushed before stay in it.

    Args:
        dataset: ``"mlm"`` or ``"mmnerd"``: the loader of the rows.
        repo_id: where it will be.
        infos: ``datasets.DatasetInfo`` of each config that is new.
        hashes: SHA-256 of each data file, by its path in the repository.
        origin: key of `ORIGINS`: where the rows are from.
        licence: of the rows, by the Hub's name for it.
        languages: of the texts; those of the configs when empty.
        before: the card that is there.

    Raises:
        ValueError: if the card that is there is about rows of another origin.
    """
    data = card_data(infos, before)
    if before is not None:
        _refuse_mixture(repo_id, origin, before)
        languages = list(dict.fromkeys([*(before.data.get("language") or []), *languages]))
    known = DatasetInfosDict.from_dataset_card_data(data)
    origin = dataset if origin == "demo" and set(known) != {"demo"} else origin
    for name, value in _metadata(dataset, repo_id, origin, known, licence, languages).items():
        data[name] = value
    return DatasetCard(with_front_matter(data, _body(dataset, repo_id, origin, known, hashes, licence)))


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


def config_folder(config: str) -> str:
    """The folder of a config in its repository; ``en+de`` has a sign that addresses cannot hold.

    Example:
        >>> config_folder("en+de")
        'en_de'
    """
    return config.replace("+", "_")


def data_files(config: str, splits: Mapping[str, Any]) -> list[dict[str, str]]:
    """Where the splits of a config lie, as a card's YAML tells ``load_dataset``.

    Example:
        >>> data_files("irle-gr", ["train"])
        [{'split': 'train', 'path': 'irle-gr/train-*'}]
    """
    return [{"split": str(split), "path": f"{config_folder(config)}/{split}-*"} for split in splits]


def size_category(rows: int) -> str:
    """The Hub's name of a dataset's size.

    Example:
        >>> size_category(23_640)
        '10K<n<100K'
    """
    return next((name for bound, name in SIZES if rows < bound), "1M<n<10M")


def dataset_licence(origin: str, licence: str | None) -> str:
    """The Hub's name of the licence of some data: the one that is given, else what its origin says.

    Raises:
        ValueError: if the origin says none, or the Hub does not know the one that is given.
    """
    found = licence or ORIGINS[origin].data_licence
    if found is None:
        raise ValueError(
            "these rows are of your own files, so no licence is assumed for them: choose with --licence, such as "
            "--licence cc-by-4.0."
        )
    return check_licence(found)


def _refuse_mixture(repo_id: str, origin: str, before: DatasetCard) -> None:
    """Refuse to put one's own rows beside those of a paper, or the other way round."""
    own_before = OWN_TAG in (before.data.get("tags") or [])
    if own_before != (origin == OWN):
        raise ValueError(
            f"Expected a repository for {ORIGINS[origin].name}, found other data in {repo_id}: choose another name."
        )


OWN_TAG = "own-files"


def _metadata(
    dataset: str,
    repo_id: str,
    origin: str,
    infos: Mapping[str, Any],
    licence: str,
    languages: Sequence[str],
) -> dict[str, Any]:
    rows = sum(split.num_examples for info in infos.values() for split in info.splits.values())
    own = origin == OWN
    return {
        "license": licence,
        "language": list(languages) or (None if own else list(languages_of(dataset, infos))),
        "pretty_name": repo_id.split("/")[-1] if own else ORIGINS[origin].title,
        "task_categories": TASKS[dataset],
        "size_categories": [size_category(rows)],
        "tags": ["hf-mlm", *(["geospatial"] if dataset == "mlm" else []), *([OWN_TAG] if own else [])],
    }


def _body(
    dataset: str, repo_id: str, origin: str, infos: Mapping[str, Any], hashes: Mapping[str, str], licence: str
) -> str:
    rows = [
        [code(name), split, f"{part.num_examples:,}"]
        for name, info in infos.items()
        for split, part in info.splits.items()
    ]
    columns = {column for info in infos.values() for column in info.features}
    files = [[code(path), code(sha256)] for path, sha256 in sorted(hashes.items())]
    return Template((TEMPLATES / f"dataset_{origin}.md").read_text(encoding="utf-8")).substitute(
        title=repo_id.split("/")[-1] if origin == OWN else ORIGINS[origin].title,
        home=HOME,
        repo_id=repo_id,
        config=next(iter(infos)),
        configs=markdown_table(["config", "split", "rows"], rows),
        columns=", ".join(map(code, sorted(columns))),
        licence=licence,
        demo=f"\n{ORIGINS['demo'].terms}\n" if "demo" in infos else "",
        hashes=markdown_table(["file", "SHA-256"], files, numbers=False),
        citation=CITATIONS[dataset].strip(),
    )
