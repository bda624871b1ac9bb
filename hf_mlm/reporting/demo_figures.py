"""The rows of the demo's table of figures, for the report and for the terminal."""

from __future__ import annotations

from hf_mlm.reporting.demo_findings import Figures, Findings


COLUMNS = ("", "IR+LE", "nearest neighbour", "chance")
NOTE = (
    "Without hints, the same model reads texts that leave out country, region, time zone and other names. The nearest "
    "neighbour answers as the training settlement with the most similar colours or words would. Median rank and R@10 "
    "are means over ten draws of the candidates; chance is an answer drawn at random."
)

Section = tuple[str, list[list[str]]]


def figure_sections(findings: Findings, cells: int) -> list[Section]:
    """Put figures into words: (heading, rows), each row a measure, ours, the baseline's and chance's.

    Args:
        findings: of one run.
        cells: how many cells the model chooses from.
    """
    hinted = (findings.ours, findings.neighbours, findings.chance)
    plain = (findings.ours_plain, findings.neighbours_plain, findings.chance)
    pool = int(findings.ours["pool_size"])
    right_cell = f"right cell of {cells}"
    return [
        (f"Retrieval among {pool}, texts with hints", _retrieval(hinted)),
        (f"Retrieval among {pool}, texts without hints", _retrieval(plain)),
        ("Position from the image", _position("image", right_cell, hinted)),
        ("Position from the text, with hints", _position("text", right_cell, hinted)),
        ("Position from the text, without hints", _position("text", right_cell, plain)),
    ]


def _retrieval(columns: tuple[Figures, ...]) -> list[list[str]]:
    ways = (("image → text", "image_to_text"), ("text → image", "text_to_image"))
    ranks = [[f"{way}, median rank", *(f"{figures[f'{key}_medR']:.1f}" for figures in columns)] for way, key in ways]
    recalls = [[f"{way}, R@10", *(_percent(figures[f"{key}_R@10"]) for figures in columns)] for way, key in ways]
    return ranks + recalls


def _position(modality: str, right_cell: str, columns: tuple[Figures, ...]) -> list[list[str]]:
    return [
        [right_cell, *(_percent(figures[f"{modality}_accuracy"]) for figures in columns)],
        ["median error", *(f"{figures[f'{modality}_median_km']:,.0f} km" for figures in columns)],
    ]


def _percent(share: float) -> str:
    """Write a share with as many digits as its size deserves.

    Example:
        >>> _percent(0.634), _percent(0.0167)
        ('63%', '1.7%')
    """
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"
