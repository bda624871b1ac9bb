"""Loading script for ``datasets`` before version 4, which has no ``List`` and so cannot read newer Parquet by itself.

It reads a folder with the layout of the Hub repository, ``CONFIG/SPLIT-*.parquet``, and needs ``datasets`` alone:

    load_dataset("legacy/mlm", "irle-gr", data_dir=FOLDER, trust_remote_code=True)

The same file, as ``mmnerd/mmnerd.py``, reads MMNERD. From version 4 on, ``load_dataset(FOLDER, "irle-gr")`` reads such
a folder without any script.
"""

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq


SPLITS = ("train", "validation", "test")


def old_features(feature):
    """Describe features as they were called before version 4, where ``List`` was ``Sequence``."""
    if not isinstance(feature, dict):
        return feature
    found = {name: old_features(inner) for name, inner in feature.items()}
    return {**found, "_type": "Sequence"} if found.get("_type") == "List" else found


class ParquetRepository(datasets.ArrowBasedBuilder):
    """One config of a repository that ``hf-mlm push dataset`` has written."""

    def _info(self):
        return datasets.DatasetInfo()

    def _split_generators(self, dl_manager):
        if not self.config.data_dir:
            raise ValueError("pass data_dir, the folder of the repository: it holds CONFIG/SPLIT-*.parquet.")
        folder = Path(self.config.data_dir, self.config.name.replace("+", "_"))
        found = {split: sorted(str(path) for path in folder.glob(f"{split}-*.parquet")) for split in SPLITS}
        if not any(found.values()):
            raise FileNotFoundError(f"{folder} holds no SPLIT-*.parquet: name the repository's folder as data_dir.")
        first = next(files[0] for files in found.values() if files)
        described = json.loads(pq.read_schema(first).metadata[b"huggingface"])["info"]["features"]
        self.info.features = datasets.Features.from_dict(old_features(described))
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"files": files}) for split, files in found.items() if files
        ]

    def _generate_tables(self, files):
        for number, file in enumerate(files):
            for position, batch in enumerate(pq.ParquetFile(file).iter_batches()):
                table = pa.Table.from_batches([batch])
                yield f"{number}-{position}", datasets.table.table_cast(table, self.info.features.arrow_schema)
