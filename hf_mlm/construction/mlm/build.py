"""The whole construction of MLM: from a source of entities to a folder that `load_dataset` opens."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from hf_mlm.construction.executors import ExecutorSettings, Watch, run_stages
from hf_mlm.construction.http import HttpSettings
from hf_mlm.construction.manifest import MANIFEST, StageManifest, claim, code_version
from hf_mlm.construction.mlm.build_config import Edition
from hf_mlm.construction.mlm.dataset import DatasetStage, JoinStages
from hf_mlm.construction.mlm.images import COMMONS, IMAGE_SCHEMA, FetchImages, ImageRules
from hf_mlm.construction.mlm.selection import SELECTION_SCHEMA, Folders, Select
from hf_mlm.construction.mlm.sources import Source
from hf_mlm.construction.mlm.summaries import WIKIPEDIA, FetchSummaries, summary_schema
from hf_mlm.construction.stage import ReadStage, Stage
from hf_mlm.files import full_disk_in_words


RECORD = "build.json"
_FORMAT = "hf_mlm build of MLM, version 1"


@dataclass(frozen=True)
class Wikimedia:
    """Where summaries and images come from.

    Attributes:
        http: how to ask.
        wikipedia: address of ``api.php`` with ``{language}`` in it.
        commons: address of ``api.php``.
    """

    http: HttpSettings
    wikipedia: str = WIKIPEDIA
    commons: str = COMMONS


def mlm_stages(
    target: Path, source: Source, wikimedia: Wikimedia, edition: Edition | None = None, tasks: int = 8
) -> list[Stage]:
    """The stages of a build, in order; each can be run alone once those before it are finished.

    Args:
        target: folder of the build.
        source: of entities.
        wikimedia: of summaries and images.
        edition: what decides about the data; MLM's own values when omitted.
        tasks: into how many parts the work is divided.
    """
    edition, folders = edition or Edition(), Folders(target)
    languages = edition.languages
    summaries = FetchSummaries(wikimedia.http, languages, edition.min_summary_characters, wikimedia.wikipedia)
    images = FetchImages(wikimedia.http, ImageRules.of(edition), wikimedia.commons)
    places = folders["places"]
    return [
        *source.stages(folders, edition, tasks),
        Stage(folders["summaries"], [ReadStage(places), summaries], summary_schema(languages), tasks, polite=True),
        Stage(folders["images"], [ReadStage(places), images], IMAGE_SCHEMA, tasks, polite=True),
        Stage(folders["selection"], [Select(folders, edition)], SELECTION_SCHEMA),
        DatasetStage(
            folders["dataset"], [JoinStages(folders, languages)], SELECTION_SCHEMA, tasks, languages=languages
        ),
    ]


def build_mlm(
    target: Path,
    source: Source,
    wikimedia: Wikimedia,
    edition: Edition | None = None,
    tasks: int = 8,
    executor: ExecutorSettings | None = None,
    watch: Watch = lambda stages, logs: nullcontext(),
) -> dict[str, StageManifest]:
    """Build MLM, or go on with a build that was interrupted, be it by ``kill -9``.

    What a finished task has written is not done again; an unfinished one starts over, but asks nobody for answers
    that were recorded. So nothing is lost and nothing is there twice.

    Args:
        target: folder of the build; its folder ``dataset`` is what can be published, card and Croissant included.
        source: of entities.
        wikimedia: of summaries and images.
        edition: what decides about the data; MLM's own values when omitted.
        tasks: into how many parts the work is divided; the result has that many files a split.
        executor: where to run; here, one task at a time, when omitted.
        watch: entered with the stages and the folder of logs while the stages run, to show how far they are.

    Returns:
        the manifests of the finished stages by name; fewer than all when Slurm has yet to run.

    Raises:
        ValueError: if ``target`` holds a build of something else, or of another version of the code.
        OSError: if a service does not answer or the disk is full; running again goes on.
    """
    if tasks < 1:
        raise ValueError(f"tasks={tasks}: the work has to have at least one part.")
    edition, target = edition or Edition(), Path(target).expanduser().absolute()
    record = {"format": _FORMAT, "code": code_version("mlm"), "tasks": tasks, "edition": edition.to_json()}
    services = {"wikipedia": wikimedia.wikipedia, "commons": wikimedia.commons}
    with full_disk_in_words(target, "and run the same command again: finished tasks are kept"):
        target.mkdir(parents=True, exist_ok=True)
        claim(target / RECORD, record | {"source": source.describe(), "services": services})
        stages = mlm_stages(target, source, wikimedia, edition, tasks)
        logs = target / "logs"
        with watch(stages, logs):
            run_stages(stages, logs, executor or ExecutorSettings())
        done = {stage.name: StageManifest.load(stage.folder / MANIFEST) for stage in stages if stage.is_sealed()}
        if len(done) == len(stages):
            from hf_mlm.construction.cards.mlm import describe_folder  # late: it takes seconds to import

            describe_folder(target / "dataset", json.loads((target / RECORD).read_text(encoding="utf-8")), done)
    return done
