"""The Gradio page and its server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hf_mlm.app.answers import HINT, answer, said
from hf_mlm.app.opening import GalleryRows, OpenModels, open_models
from hf_mlm.drawing.html import Markup, element


try:
    import gradio as gr
    from starlette.middleware import Middleware

    from hf_mlm.app.policy import OwnOriginOnly
except ImportError as error:
    raise ImportError("the page needs gradio: pip install 'hf-mlm[app]'.") from error

KEPT_SECONDS = 600  # what visitors upload is deleted after that
LARGEST_UPLOAD = "20mb"
RESPONSIBLE_USE = (
    "Estimating where an image was taken can expose people: their home, their route, a shelter. The models here are "
    "made for settlements as a whole, from archives and encyclopaedias. Do not use them to find a person, and do not "
    "publish estimates for private photographs without the consent of those shown. Estimates inherit the geography of "
    "their training data. Always show the radius beside the position."
)
PRIVACY = (
    "Only pixels and words are read, never the position that a camera wrote into a file. Uploads are deleted from the "
    f"server after {KEPT_SECONDS // 60} minutes, and this page loads nothing from anywhere else."
)


def build_page(models: OpenModels) -> gr.Blocks:
    """Lay out the page.

    Args:
        models: that answer.

    Returns:
        The page, to be opened with ``launch(**launch_options())``.
    """
    with gr.Blocks(title=_title(models), analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)) as page:
        gr.HTML(_header(models))
        with gr.Row(elem_classes="workplace"):
            with gr.Column(scale=2, min_width=300):
                image = gr.Image(
                    label="Image",
                    type="filepath",
                    sources=["upload", "clipboard"],
                    height=260,
                    buttons=[],
                    visible=models.reads_images,
                )
                text = gr.Textbox(label="Text", lines=4, max_lines=12, placeholder=_example(models))
                classes = gr.Textbox(
                    label="What it is",
                    placeholder="city, port",
                    info="Classes of the text, if known: a model that was trained with them leans on them.",
                    visible=models.reads_classes,
                )
                ask = gr.Button("Look", variant="primary", elem_id="ask")
            with gr.Column(scale=5, min_width=300):
                shown = gr.HTML(said(HINT), elem_id="answer")
        gr.HTML(_footer(models))
        gr.on(
            [ask.click, image.upload, text.submit, classes.submit],
            partial(_reply, models),
            inputs=[image, text, classes],
            outputs=shown,
            api_name="answer",
        )
    return page


def launch_options() -> dict[str, Any]:
    """How the page is served: fonts and styles of its own, a policy against all other origins, no telemetry."""
    fonts = [gr.themes.Font(name) for name in ("system-ui", "sans-serif")]
    theme = gr.themes.Soft(
        primary_hue="sky",
        neutral_hue="stone",
        font=fonts,
        font_mono=[gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")],
    )
    return {
        "theme": theme,
        "css_paths": [Path(__file__).with_name("page.css")],
        "app_kwargs": {"middleware": [Middleware(OwnOriginOnly)]},
        "max_file_size": LARGEST_UPLOAD,
        "footer_links": [],
        "ssr_mode": False,
        "enable_monitoring": False,
    }


def serve(
    names: Sequence[str],
    gallery: str | GalleryRows | None = None,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
) -> None:
    """Open models and serve the page until it is stopped.

    Args:
        names: folders of trainings, or ids on the Hub; see `open_models`.
        gallery: to search; see `open_models`.
        host: to listen on; 127.0.0.1 when omitted, or what ``GRADIO_SERVER_NAME`` says, as in a Space.
        port: likewise; the first free one from 7860 when omitted.
        share: whether to open a tunnel through Gradio's servers, by which everyone can reach the page.

    Raises:
        FileNotFoundError: if there is no such model or gallery.
        ValueError: if models or gallery do not fit the page or each other.
        OSError: if the port is taken.
    """
    page = build_page(open_models(names, gallery))
    page.launch(server_name=host, server_port=port, share=share, **launch_options())


def _reply(models: OpenModels, image: str | None, text: str | None, classes: str | None) -> Markup:
    return answer(models, None if image is None else Path(image).read_bytes(), text or "", classes or "")


def _title(models: OpenModels) -> str:
    return "Where on Earth is this?" if models.locate or models.retrieve else "Who is named here?"


def _header(models: OpenModels) -> Markup:
    offers = {
        "an estimate of where it belongs, with its radius": models.locate,
        "what resembles it in the gallery": models.retrieve,
        "who and what is named in the text": models.tag,
    }
    offered = [words for words, pipeline in offers.items() if pipeline]
    given = "Drop an image or write a text, or both" if models.reads_images else "Write a text"
    promised = ", ".join(offered[:-1]) + (" and " if len(offered) > 1 else "") + offered[-1]
    return element("header", element("h1", _title(models)), element("p", f"{given}: you get {promised}."))


def _example(models: OpenModels) -> str:
    if models.locate or models.retrieve:
        return "Lübeck is a port on the Trave in northern Germany."
    return "Ada Lovelace was born in London."


def _footer(models: OpenModels) -> Markup:
    names = ", ".join(Path(name).name if Path(name).is_dir() else name for name in models.names)
    return element(
        "footer",
        element("h2", "Responsible use"),
        element("p", RESPONSIBLE_USE),
        element("p", PRIVACY),
        element("p", f"Models: {names}. Imagery: NASA Blue Marble.", class_="quiet"),
    )
