"""From a finished run of the demo to its report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_mlm.reporting.continents import continents
from hf_mlm.reporting.demo_figures import COLUMNS, NOTE, figure_sections
from hf_mlm.reporting.demo_findings import Findings, first_images, positions, shown_texts
from hf_mlm.reporting.demo_report import Chart, DemoReport, Retrieval
from hf_mlm.reporting.maps import background
from hf_mlm.reporting.retrieval_sheets import Item
from hf_mlm.training.train import Run
from hf_mlm.world.imagery import blue_marble


QUERIES = 4  # sheets of each direction
ANSWERS = 5  # on each sheet
HELD_OUT = {
    "blocks": "whole blocks of about 290 km held out",
    "random": "settlements held out at random, the easy way",
}


def assemble(run: Run, findings: Findings, holdout: str, seed: int, commands: Sequence[str]) -> DemoReport:
    """Gather what the report shows.

    Args:
        run: with the trained model, its history and the dataset.
        findings: of the model on the dataset's test split.
        holdout: "blocks" or "random".
        seed: of the world and the training; it also draws the queries that are shown.
        commands: what to try next.
    """
    train, test = run.dataset["train"], run.dataset["test"]
    texts, pictures = shown_texts(test), first_images(test)
    countries = test["country"][:]
    items = [
        Item(f"{label}, {country}", jpeg(picture), text, language)
        for label, country, picture, (language, text) in zip(test["label"], countries, pictures, texts, strict=True)
    ]
    images, sentences = findings.predictions["image_embeds"], findings.predictions["text_embeds"]
    shown = np.random.default_rng(seed).choice(len(test), size=2 * QUERIES, replace=False)
    cells = run.trainer.model.config.num_geo_cells
    return DemoReport(
        summary=_summary(run, len(train), len(test), holdout),
        settings=_settings(run, cells, holdout, seed),
        caption=f"{len(test)} held-out settlements; {HELD_OUT[holdout]}",
        columns=COLUMNS,
        figures=figure_sections(findings, cells),
        footnote=NOTE,
        labels=[item.label for item in items],
        groups=continents(countries),
        truth=positions(test),
        image_positions=findings.predictions["image_places"].astype(np.float64),
        text_positions=findings.predictions["text_places"].astype(np.float64),
        image_queries=[retrieve(row, images, sentences, items) for row in shown[:QUERIES]],
        text_queries=[retrieve(row, sentences, images, items) for row in shown[QUERIES:]],
        charts=charts(run.trainer.state.log_history),
        earth=background(blue_marble()),
        commands=commands,
    )


def retrieve(row: int, queries: NDArray[Any], gallery: NDArray[Any], items: Sequence[Item]) -> Retrieval:
    """Ask with one row of ``queries`` for the rows of ``gallery`` that it resembles most."""
    similarities = gallery @ queries[row]  # (N,)
    best = np.argsort(-similarities, kind="stable")
    rank = int(np.flatnonzero(best == row)[0]) + 1
    return Retrieval(items[row], [items[answer] for answer in best[:ANSWERS]], rank)


def charts(history: Sequence[dict[str, float]]) -> list[Chart]:
    """Read the curves of a training from a Trainer's log history."""
    wanted = (
        ("Retrieval loss", "", {"training": "retrieval_loss", "validation": "eval_retrieval_loss"}),
        ("Geo loss", "", {"training": "geo_loss", "validation": "eval_geo_loss"}),
        (
            "Median rank",
            "validation; lower is better",
            {"image → text": "eval_image_to_text_medR", "text → image": "eval_text_to_image_medR"},
        ),
        (
            "Right cell",
            "validation; share of settlements",
            {"image": "eval_image_accuracy", "text": "eval_text_accuracy"},
        ),
    )
    found = [
        Chart(
            title,
            note,
            {name: [(log["epoch"], log[key]) for log in history if key in log] for name, key in lines.items()},
        )
        for title, note, lines in wanted
    ]
    return [chart for chart in found if any(chart.series.values())]


def jpeg(picture: Any) -> bytes:
    """Encode a small picture for the page."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _summary(run: Run, trained: int, tested: int, holdout: str) -> str:
    minutes = run.results["train_runtime"] / 60
    unseen = (
        "It has seen none of them, nor any other settlement of their blocks of about 290 km."
        if holdout == "blocks"
        else "It has seen none of them, but often their neighbours; this is the easy split."
    )
    return (
        f"In {minutes:.1f} minutes and from nothing, IR+LE learned from {trained:,} settlements to match overhead "
        f"images with texts and to put both on the map. Here it meets {tested:,} other settlements. {unseen}"
    )


def _settings(run: Run, cells: int, holdout: str, seed: int) -> list[str]:
    parameters = sum(parameter.numel() for parameter in run.trainer.model.parameters())
    return [
        f"{sum(len(rows) for rows in run.dataset.values()):,} settlements",
        f"{cells} S2 cells",
        f"split by {holdout}" if holdout == "blocks" else "split at random",
        f"{parameters / 1e6:.1f} million parameters",
        f"{run.results['epoch']:g} epochs",
        f"seed {seed}",
    ]
