"""What a finished run says of itself in the files that it left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_mlm.data.mmnerd.layout import are_by_language
from hf_mlm.publishing.privacy import public_settings
from hf_mlm.runs.provenance import PROVENANCE_NAME
from hf_mlm.runs.settings import SETTINGS_NAME, read_recipe


IRLE = "irle"
TEXT_ALONE = ("crf_tagger", "bilstm_crf", "hbilstm_crf")
LANGUAGES = {"mlm": ("en", "de", "fr"), "mmnerd": ("en", "fr", "es", "de")}


@dataclass(frozen=True)
class RunFacts:
    """A model with all that is known of how it was made; what a run did not record is empty.

    Args:
        config: the model's configuration.
        results: figures, ``test_…`` and ``eval_…`` among them.
        settings: that differ from their defaults, fit for others to read.
        provenance: versions, hardware and data as `hf_mlm.runs.provenance` notes them.
        trainer_state: of the last checkpoint.
        own_files: languages of the user's own CoNLL files that it was trained on; empty where it was trained on a
            dataset that this package knows.
    """

    config: dict[str, Any]
    results: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    trainer_state: dict[str, Any] = field(default_factory=dict)
    own_files: tuple[str, ...] = ()

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
        path = folder / SETTINGS_NAME
        settings = read_recipe(str(path)) if path.is_file() else {}
        return cls(
            config=_read_json(folder / "config.json"),
            results={name: value for name, value in results.items() if isinstance(value, (int, float))},
            settings=public_settings(settings),
            provenance=_read_json(folder / PROVENANCE_NAME),
            trainer_state=_read_json(_last_trainer_state(folder)),
            own_files=_own_files(settings),
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
    def languages(self) -> tuple[str, ...]:
        """Those that it was trained on, as far as they are known."""
        config = self.dataset_config
        if self.own_files or config is None:
            return self.own_files
        return languages_of(self.dataset, [config])

    @property
    def reads_raw_input(self) -> bool:
        """Whether pixels and tokens go in, not precomputed features."""
        return self.model_type != IRLE or bool(self.config.get("image_encoder_config"))

    @property
    def reads_images(self) -> bool:
        """Whether it looks at the image of a sentence or an entity."""
        switched_off = self.config.get("image_branches") == [] or not self.config.get("use_images", True)
        return self.model_type not in TEXT_ALONE and not switched_off

    @property
    def scored_split(self) -> str | None:
        """``"test"``, else ``"eval"`` for the validation split, or None without figures."""
        scored = ("test", "eval")
        return next((split for split in scored if any(name.startswith(f"{split}_") for name in self.results)), None)


def languages_of(dataset: str, configs: Iterable[str]) -> tuple[str, ...]:
    """Languages of some configs of a dataset.

    Example:
        >>> languages_of("mmnerd", ["en", "en+de"]), languages_of("mmnerd", ["en", "demo"])
        (('en', 'de'), ('en', 'fr', 'es', 'de'))
    """
    known = LANGUAGES[dataset]
    named = {language for config in configs for language in config.split("+")}
    return tuple(language for language in known if language in named) if named <= set(known) else known


def _own_files(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Languages of the files that the settings of a tagger name."""
    files = settings.get("data_files")
    if not files:
        return ()
    by_language = isinstance(files, Mapping) and are_by_language(files)
    return tuple(files) if by_language else (str(settings.get("dataset", "en")),)


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
