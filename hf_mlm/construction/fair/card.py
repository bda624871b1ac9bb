"""The card of a dataset that was built here: YAML by which ``load_dataset`` opens the folder, and what to know."""

from __future__ import annotations

from collections.abc import Sequence

from huggingface_hub import DatasetCard

from hf_mlm.construction.fair.description import Description
from hf_mlm.construction.fair.tables import Table
from hf_mlm.publishing.dataset_card import card_data, size_category
from hf_mlm.publishing.figures import markdown_table


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
