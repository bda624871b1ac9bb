"""What a finished run says of itself in the files that it left."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_mlm.publishing.privacy import public_settings
from hf_mlm.training.provenance import PROVENANCE_NAME
from hf_mlm.training.settings import SETTINGS_NAME, read_recipe


IRLE = "irle"


@dataclass(frozen=True)
class RunFacts:
    """A model with all that is known of how it was made; what a run did not record is empty.

    Args:
        config: the model's configuration.
        results: figures, ``test_…`` and ``eval_…`` among them.
        settings: that differ from their defaults, fit for others to read.
        provenance: versions, hardware and data as `hf_mlm.training.provenance` notes them.
        trainer_state: of the last checkpoint.
    """

    config: dict[str, Any]
    results: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    trainer_state: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path) -> RunFacts:
        """Read the output folder of a training, or any folder with a saved model.

        Args:
            folder: with ``config.json``; everything else may be missing.

        Raises:
            FileNotFoundError: if there is no such folder, or no model in it.
            ValueError: if a file is damaged.
        """
        folder = Path(folder)
        if not (folder / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no config.json: name the output_dir of a training.")
        results = _read_json(folder / "all_results.json")
        settings = folder / SETTINGS_NAME
        return cls(
            config=_read_json(folder / "config.json"),
            results={name: value for name, value in results.items() if isinstance(value, (int, float))},
            settings=public_settings(read_recipe(str(settings))) if settings.is_file() else {},
            provenance=_read_json(folder / PROVENANCE_NAME),
            trainer_state=_read_json(_last_trainer_state(folder)),
        )

    @property
    def model_type(self) -> str:
        """Such as ``"irle"``."""
        return str(self.config.get("model_type"))

    @property
    def dataset(self) -> str:
        """``"mlm"`` or ``"mmnerd"``, which follows from the model."""
        return "mlm" if self.model_type == IRLE else "mmnerd"

    @property
    def dataset_config(self) -> str | None:
        """Such as ``"irle-gr"``; None if the run does not tell."""
        recorded = self.provenance.get("dataset", {}).get("config")
        return recorded or (self.settings.get("dataset", "demo") if self.settings else None)

    @property
    def reads_raw_input(self) -> bool:
        """Whether pixels and tokens go in, not precomputed features."""
        return self.model_type != IRLE or bool(self.config.get("image_encoder_config"))

    @property
    def scored_split(self) -> str | None:
        """``"test"``, else ``"eval"`` for the validation split, or None without figures."""
        scored = ("test", "eval")
        return next((split for split in scored if any(name.startswith(f"{split}_") for name in self.results)), None)


def _read_json(path: Path | None) -> dict[str, Any]:
    if path is None or not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): train again, or remove it to go without.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object: train again, or remove it to go without.")
    return content


def _last_trainer_state(folder: Path) -> Path | None:
    """That of the folder, else of its latest checkpoint."""
    if (folder / "trainer_state.json").is_file():
        return folder / "trainer_state.json"
    states = [path for path in folder.glob("checkpoint-*/trainer_state.json") if path.parent.name[11:].isdigit()]
    return max(states, key=lambda path: int(re.sub(r"\D", "", path.parent.name)), default=None)
