"""``hf-mlm predict MODEL_DIR --image FILE --text "…" --gallery demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer


if TYPE_CHECKING:
    from rich.table import Table

    from hf_mlm.training.prediction import Estimate

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

OTHER = {"image": "text", "text": "image"}


@app.command()
def predict(
    model_dir: Annotated[Path, typer.Argument(help="Output folder of a training on raw images and texts.")],
    image: Annotated[Path | None, typer.Option(help="Image to locate.")] = None,
    text: Annotated[str | None, typer.Option(help="Text to locate.")] = None,
    classes: Annotated[str, typer.Option(help='Classes of the text, such as "city, port".')] = "",
    gallery: Annotated[str | None, typer.Option(help="Dataset to search: demo, irle, irle-gr, or 'same'.")] = None,
    split: Annotated[str, typer.Option(help="Split of the gallery.")] = "test",
    data_dir: Annotated[str | None, typer.Option("--data_dir", "--data-dir", help="Folder of its files.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="Setting of the gallery, such as size=2000.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Cells and neighbours to show.")] = 5,
) -> None:
    """Estimate where an image or a text belongs, and find what resembles it in a dataset."""
    from rich.console import Console

    from hf_mlm.training.prediction import estimate_image, estimate_text
    from hf_mlm.training.saved import load_saved

    if image is None and text is None:
        raise ValueError("there is nothing to locate: pass --image FILE, --text TEXT or both.")
    model, processor = load_saved(model_dir)
    if processor is None:
        raise ValueError(f"the model in {model_dir} reads precomputed features, not images and texts.")
    estimates = {}
    if image is not None:
        estimates["image"] = estimate_image(model, processor, image, top)
    if text is not None:
        estimates["text"] = estimate_text(model, processor, text, classes, top)
    console = Console()
    for kind, estimate in estimates.items():
        place = position_of(estimate.latitude, estimate.longitude)
        radius = "" if estimate.radius_km is None else f", half of the probability within {estimate.radius_km:,.0f} km"
        console.print(f"[bold]{kind}[/bold]: {place}{radius}", soft_wrap=True)
        if estimate.cells:
            console.print(cell_table(estimate))
    if gallery is not None:
        for table in _search(model_dir, model, processor, estimates, gallery, split, data_dir, option or [], top):
            console.print(table)


def cell_table(estimate: Estimate) -> Table:
    """The most probable cells and where they lie."""
    from rich.table import Table

    table = Table("cell", "place", "probability")
    for cell in estimate.cells:
        table.add_row(cell.name, position_of(cell.latitude, cell.longitude), f"{cell.probability:.3f}")
    return table


def position_of(latitude: float | None, longitude: float | None) -> str:
    """Write a position as people do.

    Example:
        >>> position_of(-33.87, 151.21), position_of(None, None)
        ('33.87° S 151.21° E', 'unknown')
    """
    if latitude is None or longitude is None:
        return "unknown"
    return f"{abs(latitude):.2f}° {'NS'[latitude < 0]} {abs(longitude):.2f}° {'EW'[longitude < 0]}"


def neighbour_table(kind: str, estimate: Estimate, rows: Any, found: list[tuple[int, float]]) -> Table:
    """Neighbours of the other modality, with their distance from the estimated place."""
    from rich.table import Table

    from hf_mlm.geo.distance import great_circle_distance

    table = Table(
        "place", "country", "similarity", "km away", title=f"{OTHER[kind]}s like the {kind}", title_justify="left"
    )
    for row, similarity in found:
        entity = rows[row]
        away = "–"
        if estimate.latitude is not None and estimate.longitude is not None:
            position = entity["latitude"], entity["longitude"]
            away = f"{float(great_circle_distance(estimate.latitude, estimate.longitude, *position)):,.0f}"
        table.add_row(entity["label"], entity["country"] or "–", f"{similarity:.3f}", away)
    return table


def _search(
    model_dir: Path,
    model: Any,
    processor: Any,
    estimates: dict[str, Estimate],
    gallery: str,
    split: str,
    data_dir: str | None,
    words: list[str],
    top: int,
) -> list[Table]:
    """Rank a split for each query, its texts for images and its images for texts."""
    from hf_mlm.cli.evaluate import chosen_dataset
    from hf_mlm.training.prediction import nearest
    from hf_mlm.training.saved import load_rows
    from hf_mlm.training.scoring import score

    if "retrieval" not in model.config.tasks:
        raise ValueError(f"the model in {model_dir} was not trained for retrieval: leave out --gallery.")
    dataset, options = chosen_dataset(model_dir, None if gallery == "same" else gallery, data_dir, words)
    rows = load_rows(model, dataset, split, **options)
    _, embeds = score(model, processor, rows, resamples=0)
    labels = rows.select_columns(["label", "country", "latitude", "longitude"])  # no need to decode images
    return [
        neighbour_table(kind, estimate, labels, nearest(estimate.embeds, embeds[f"{OTHER[kind]}_embeds"], top))
        for kind, estimate in estimates.items()
        if estimate.embeds is not None
    ]


def main(argv: list[str]) -> None:
    """Run ``hf-mlm predict …``.

    Args:
        argv: the words after ``hf-mlm predict``.
    """
    app(args=argv, prog_name="hf-mlm predict")
