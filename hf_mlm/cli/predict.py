"""``hf-mlm predict MODEL_DIR --image FILE --text "…" --gallery demo``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_mlm.cli.options import DataDir, DatasetOptions, Runtime, open_for


if TYPE_CHECKING:
    from rich.table import Table


def predict(
    model_dir: Annotated[Path, typer.Argument(help="Output folder of a training on raw images and texts.")],
    image: Annotated[Path | None, typer.Option(help="Image to locate.")] = None,
    text: Annotated[str | None, typer.Option(help="Text to locate.")] = None,
    classes: Annotated[str, typer.Option(help='Classes of the text, such as "city, port".')] = "",
    gallery: Annotated[str | None, typer.Option(help="Dataset to search: demo, irle, irle-gr, or 'same'.")] = None,
    split: Annotated[str, typer.Option(help="Split of the gallery.")] = "test",
    data_dir: DataDir = None,
    option: DatasetOptions = None,
    runtime: Runtime = "torch",
    top: Annotated[int, typer.Option(min=1, help="Cells and neighbours to show.")] = 5,
) -> None:
    """Estimate where an image or a text belongs, and find what resembles it in a dataset."""
    from rich.console import Console

    from hf_mlm.geo.coordinates import position_of
    from hf_mlm.pipelines.geo_estimation import GeoEstimationPipeline

    queries = {"image": image and {"image": image}, "text": text and {"text": text, "classes": classes}}
    asked = {kind: query for kind, query in queries.items() if query}
    if not asked:
        raise ValueError("there is nothing to locate: pass --image FILE, --text TEXT or both.")
    model, processor = open_for(runtime, model_dir, "irle")
    if processor is None:
        raise ValueError(f"the model in {model_dir} reads precomputed features, not images and texts.")
    console, estimates = Console(), {}
    if "geo" in model.config.tasks:
        locate = GeoEstimationPipeline(model, processor=processor, task="geo-estimation", top_k=top)
        estimates = {kind: locate(query) for kind, query in asked.items()}
    for kind, estimate in estimates.items():
        place = position_of(estimate["latitude"], estimate["longitude"])
        radius = estimate["radius_km"]
        within = "" if radius is None else f", half of the probability within {radius:,.0f} km"
        console.print(f"[bold]{kind}[/bold]: {place}{within}", soft_wrap=True)
        console.print(cell_table(estimate["cells"]))
    if gallery is not None:
        retrieve = _retrieval(model_dir, model, processor, gallery, split, data_dir, option)
        for kind, query in asked.items():
            console.print(neighbour_table(kind, retrieve(query, top_k=top), estimates.get(kind, {})))


def cell_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    """The most probable cells and where they lie."""
    from rich.table import Table

    from hf_mlm.geo.coordinates import position_of

    table = Table("cell", "place", "probability")
    for cell in cells:
        name = cell["token"] or str(cell["cell"])
        table.add_row(name, position_of(cell["latitude"], cell["longitude"]), f"{cell['probability']:.3f}")
    return table


def neighbour_table(kind: str, found: Sequence[Mapping[str, Any]], estimate: Mapping[str, Any]) -> Table:
    """Neighbours of the other modality, with their distance from the estimated place."""
    from rich.table import Table

    from hf_mlm.geo.distance import great_circle_distance

    title = f"{found[0]['modality']}s like the {kind}"
    table = Table("place", "country", "similarity", "km away", title=title, title_justify="left")
    latitude, longitude = estimate.get("latitude"), estimate.get("longitude")
    for entity in found:
        away = "–"
        if latitude is not None and longitude is not None:
            distance = great_circle_distance(latitude, longitude, entity["latitude"], entity["longitude"])
            away = f"{float(distance):,.0f}"
        table.add_row(entity["label"], entity["country"] or "–", f"{entity['score']:.3f}", away)
    return table


def _retrieval(
    model_dir: Path,
    model: Any,
    processor: Any,
    gallery: str,
    split: str,
    data_dir: str | None,
    words: list[str] | None,
) -> Any:
    """The pipeline that searches a split of a dataset."""
    from hf_mlm.cli.evaluate import chosen_dataset
    from hf_mlm.pipelines.cross_modal_retrieval import CrossModalRetrievalPipeline
    from hf_mlm.training.irle.scoring import load_rows

    if "retrieval" not in model.config.tasks:
        raise ValueError(f"the model in {model_dir} was not trained for retrieval: leave out --gallery.")
    dataset, options = chosen_dataset(model_dir, None if gallery == "same" else gallery, data_dir, words)
    rows = load_rows(model, dataset, split, **options)
    return CrossModalRetrievalPipeline(model, processor=processor, gallery=rows, task="cross-modal-retrieval")
