"""Check of an archive, or of MLM's own files: all faults of all records, with their remedies."""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from huggingface_hub.utils import tqdm
from numpy.typing import NDArray
from PIL import Image

from hf_mlm.data.checks import image_defect
from hf_mlm.data.mlm.archives.faults import KINDS, Fault, Severity, count_faults
from hf_mlm.data.mlm.archives.reading import Archive, Entry
from hf_mlm.data.mlm.hdf5 import FeatureReader
from hf_mlm.data.mlm.layout import Layout, find_layout, open_features
from hf_mlm.data.mlm.parquet import BuiltRows, BuiltShard, open_built
from hf_mlm.world.nearest import country_codes, distances_to_country, nearest_settlements
from hf_mlm.world.places import fold


FAR_KM = 200.0  # from the nearest settlement of its country
MAX_COMPARED = 200  # images with a quarter of the bits in common
SAME_BITS, SAME_GREY = 3, 6.0  # of 64 bits of the differences of pixels, and of 255 levels of grey on average
KNOWN_LICENCE = re.compile(
    r"(cc[- ]?(0|by([- ](nc|sa|nd))*)([- ]?\d\.\d)?([- ][a-z]{2,4})?|pdm?|public[- ]domain( mark)?|mit|apache[- ]2\.0"
    r"|odbl([- ]1\.0)?|odc-by|pddl|gfdl.*|fal|ogl.*|dl-de/.*|https?://(creativecommons|rightsstatements|spdx)\.org/.+)"
    r"|in copyright.*|all rights reserved",
    re.IGNORECASE,
)


@dataclass
class ArchiveReport:
    """What is in an archive, and all that is wrong with it.

    Attributes:
        source: its path.
        columns: fields and the columns that they are read from.
        records: number of records.
        rows: number of rows that they give.
        images: number of images that are named and there.
        located: number of rows with coordinates.
        languages: texts by language.
        licences: rows by licence.
        faults: the worst first.
    """

    source: str
    columns: list[str] = field(default_factory=list)
    records: int = 0
    rows: int = 0
    images: int = 0
    located: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """Severity of the worst fault; ``"note"`` where there is none."""
        found = {fault.severity for fault in self.faults}
        return "error" if "error" in found else "warning" if "warning" in found else "note"

    def to_dict(self) -> dict[str, Any]:
        """Give all of it, for JSON."""
        faults = [{**asdict(fault), **KINDS[fault.kind]._asdict()} for fault in self.faults]
        return {**vars(self), "severity": self.severity, "counts": count_faults(self.faults), "faults": faults}


def check_archive(source: str | Path, mapping: Any = None) -> ArchiveReport:
    """Look through all records and images of an archive, or of MLM's JSON or feature files.

    Args:
        source: folder, zip archive or table.
        mapping: of fields to columns; see `hf_mlm.data.mlm.archives.columns.find_columns`.

    Raises:
        FileNotFoundError: if there is nothing at ``source``.
        ValueError: if a table or the mapping cannot be read at all.
    """
    layout = _layout(Path(source))
    if layout is not None and not layout.raw:
        return _check_rows(layout)
    archive = Archive.open(source, mapping)
    report = ArchiveReport(str(archive.source), archive.columns.lines())
    entries = []
    for entry in archive.entries():
        report.records += 1
        report.faults += entry.faults
        if entry.row is not None:
            entries.append(entry)
            report.languages.update(text["language"] for text in entry.row["summaries"])
    report.rows = len(entries)
    report.located = sum(entry.row["latitude"] is not None for entry in entries if entry.row)
    report.faults += _strict_faults(layout, report.faults) if layout and layout.raw else []
    report.faults += _twice(archive)
    report.faults += _licence_faults(archive, entries, report.licences)
    report.faults += _country_faults(entries)
    report.faults += _image_faults(archive, entries, report)
    order = list(KINDS)
    report.faults.sort(key=lambda fault: order.index(fault.kind))
    return report


def _layout(source: Path) -> Layout | None:
    """Tell MLM's own files and what the package wrote; None of all others."""
    if not source.expanduser().is_dir():
        return None
    for config in ("irle", "mlm", "archive"):
        try:
            return find_layout(source, config)
        except FileNotFoundError:
            continue
    return None


def _check_rows(layout: Layout) -> ArchiveReport:
    """Read every entity of feature files, and every row of Parquet files."""
    report = ArchiveReport(str(layout.folder))
    for files in [*layout.splits.values(), *filter(None, [layout.whole])]:
        with FeatureReader(files) as reader:
            for entity in tqdm(reader.ids.tolist(), desc=f"Reading {files.images.name}", unit=" entities"):
                report.records += 1
                try:
                    report.images += len(reader.row(entity).images)
                    report.rows += 1
                except ValueError as error:
                    report.faults.append(Fault("damaged file", f"Q{entity}", str(error)))
    for shard in _parquet_shards(layout):
        try:
            for table in shard.tables():
                report.records += len(table)
                report.rows += len(table)
        except ValueError as error:
            report.faults.append(Fault("damaged file", str(layout.folder), str(error)))
    return report


def _parquet_shards(layout: Layout) -> list[Any]:
    if layout.parquet:
        return [shard for shards in open_features(layout).splits.values() for shard in shards]
    if layout.built:
        configs = BuiltRows.load(layout.built).configs
        return [
            shard for config in configs for shards in open_built(layout.built, config)[1].values() for shard in shards
        ]
    return [BuiltShard(path) for paths in layout.rows.values() for path in paths]


def _strict_faults(layout: Layout, found: Sequence[Fault]) -> list[Fault]:
    """List what the configs of MLM refuse of records that an archive may have."""
    told = {re.sub(r" \([^()]*\)$", "", fault.where) for fault in found if fault.severity == "error"}
    faults = []
    for file in layout.raw:
        for number, (_, messages) in enumerate(file.entries(), start=1):
            where = f"{file.path}, entity {number}"
            if where not in told:
                faults += [Fault("not as MLM's files", where, text[len(where) :].lstrip(": ")) for text in messages]
    return faults


def _twice(archive: Archive) -> list[Fault]:
    named = [re.fullmatch(r"(.+) \(\d+\)", name) for name in archive.extra]
    known = archive.columns.used | set(archive.extra)
    return [
        Fault("column name twice", str(archive.source), match[1]) for match in named if match and match[1] in known
    ]


def _licence_faults(archive: Archive, entries: Sequence[Entry], licences: Counter[str]) -> list[Fault]:
    if archive.columns.licence is None:
        return [Fault("no licence", str(archive.source), "no column of licences")]
    faults = []
    for entry in entries:
        licence = (entry.row or {}).get("licence")
        licences[licence or "none"] += 1
        if licence is None or not KNOWN_LICENCE.fullmatch(licence):
            faults.append(Fault("unknown licence" if licence else "no licence", entry.where, licence or ""))
    return faults


def _country_faults(entries: Sequence[Entry]) -> list[Fault]:
    """Find positions that are far from the country that is named; those that fit when swapped are said to be so."""
    rows = [(entry.where, entry.row) for entry in entries if entry.row and entry.row["latitude"] is not None]
    try:
        codes = country_codes() if any(row["country"] for _, row in rows) else {}
    except ImportError:  # without the extra demo
        return []
    faults = []
    for where, row in rows:
        code = codes.get(fold(row["country"] or ""))
        away = _beyond(row["latitude"], row["longitude"], code)
        if code and away:
            swapped = abs(row["longitude"]) <= 90 and not _beyond(row["longitude"], row["latitude"], code)
            kind = "coordinates in the other order" if swapped else "far from its country"
            found = f"{row['latitude']:g}, {row['longitude']:g} is {away:,.0f} km from {row['country']}"
            faults.append(Fault(kind, where, found))
    return faults


def _beyond(latitude: float, longitude: float, code: str | None) -> float:
    """Distance in km to a country that a position is not in; 0 where it may be in it, as in a wilderness."""
    if code is None:
        return 0.0
    away = float(distances_to_country([latitude], [longitude], code)[0])
    nearest = nearest_settlements([latitude], [longitude])[0].distance_km if away > FAR_KM else away
    far = np.isfinite(away) and away > FAR_KM and (away > 2 * nearest or away > 5 * FAR_KM)
    return away if far else 0.0


class ImageFacts(NamedTuple):
    """What an image shows without its record.

    Args:
        defect: what is wrong with it; None of a whole one.
        has_gps: whether its EXIF data tell where it was taken.
        bits: 64 differences of neighbouring pixels, as an integer.
        greys: 8 × 8 levels of grey, uint8 (64,).
    """

    defect: str | None
    has_gps: bool = False
    bits: int = 0
    greys: NDArray[np.uint8] | None = None


def inspect_image(content: bytes) -> ImageFacts:
    """Decode an image once.

    Args:
        content: of the file.
    """
    if defect := image_defect(io.BytesIO(content)):
        return ImageFacts(defect)
    with Image.open(io.BytesIO(content)) as image:
        has_gps = bool(image.getexif().get_ifd(0x8825))
        image.draft("L", (64, 64))
        small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)  # (8, 9)
    bits = int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")
    return ImageFacts(None, has_gps, bits, small[:, :8].reshape(-1).astype(np.uint8))


def _image_faults(archive: Archive, entries: Sequence[Entry], report: ArchiveReport) -> list[Fault]:
    named = [(name, entry) for entry in entries if entry.row for name in entry.row["images"]]
    report.images = len(named)
    faults, whole = [], []
    with ThreadPoolExecutor() as pool:
        inspected = pool.map(lambda pair: _inspect(archive, pair[0]), named)
        for (name, entry), facts in tqdm(
            zip(named, inspected, strict=True), desc="Decoding images", total=len(named), unit=" images"
        ):
            if facts.defect:
                faults.append(Fault("unreadable image", entry.where, f"{name} {facts.defect}"))
                continue
            whole.append((name, entry, facts))
            if facts.has_gps:
                faults.append(Fault("GPS in an image", entry.where, name))
    for one, other in near_duplicates([facts for *_, facts in whole]):
        (first, entry, _), (second, later, _) = whole[one], whole[other]
        if (entry.row or {})["entity_id"] != (later.row or {})["entity_id"]:
            faults.append(Fault("near-duplicate image", later.where, f"{second} is like {first} of {entry.where}"))
    return faults


def _inspect(archive: Archive, name: str) -> ImageFacts:
    try:
        return inspect_image(archive.files.read(name))
    except (OSError, ValueError) as error:
        return ImageFacts(str(error))


def near_duplicates(images: Sequence[ImageFacts]) -> Iterator[tuple[int, int]]:
    """Find images that look like an earlier one, each once: scaled or compressed anew, but not turned or cropped.

    Images that differ in few bits have one of four quarters of the bits in common, so only these are compared.

    Args:
        images: whole ones.

    Yields:
        positions of the earlier and of the later image.
    """
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        keys = [(quarter, image.bits >> (16 * quarter) & 0xFFFF) for quarter in range(4)]
        for other in sorted({other for key in keys for other in buckets[key][-MAX_COMPARED:]}):
            if _alike(images[other], image):
                yield other, number
                break
        for key in keys:
            buckets[key].append(number)


def _alike(one: ImageFacts, other: ImageFacts) -> bool:
    if one.greys is None or other.greys is None or (one.bits ^ other.bits).bit_count() > SAME_BITS:
        return False
    return float(np.abs(one.greys.astype(int) - other.greys).mean()) <= SAME_GREY
