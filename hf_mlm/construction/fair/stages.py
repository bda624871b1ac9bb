"""What the stages of a build have done, for the card."""

from __future__ import annotations

from collections.abc import Mapping

from hf_mlm.construction.manifest import StageManifest
from hf_mlm.publishing.figures import markdown_table


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
