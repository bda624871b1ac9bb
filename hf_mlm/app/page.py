"""The page of ``hf-mlm app``, its typed endpoints and its server."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

from hf_mlm.app.answers import HINT, answer, refused, said
from hf_mlm.app.opening import Desk, GalleryRows, OpenModels, check_length, open_models, read_picture
from hf_mlm.drawing.html import Markup, element


try:
    import gradio as gr
    from starlette.datastructures import MutableHeaders
    from starlette.middleware import Middleware
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError as error:
    raise ImportError("the page needs gradio: pip install 'hf-mlm[app]'.") from error

KEPT_SECONDS = 600  # what visitors upload is deleted after that
LARGEST_UPLOAD = "100mb"  # what the disk takes; what is read is told by `read_picture`
WAITING = 64  # questions
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


def build_page(models: OpenModels, mcp: bool = False) -> gr.Blocks:
    """Lay out the page.

    Args:
        models: that answer.
        mcp: whether it will be launched with ``mcp_server``.

    Returns:
        The page, to be opened with ``launch(**launch_options())``.
    """
    desk = Desk(models)
    with gr.Blocks(title=_title(models), analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)) as page:
        gr.HTML(_header(models))
        with gr.Row(elem_classes="workplace"):
            with gr.Column(scale=2, min_width=300):
                images = gr.File(
                    label="Images",
                    file_count="multiple",
                    height=180,
                    elem_id="images",
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
        asked = gr.on(
            [ask.click, images.upload, text.submit, classes.submit],
            partial(_reply, desk),
            inputs=[images, text, classes],
            outputs=shown,
            concurrency_limit=None,
            api_visibility="private",
        )
        asked.then(None, js=_INTO_VIEW)
        page.load(None, js=_PASTE)
        for endpoint in endpoints(desk):
            if mcp:
                gr.api(_tool(endpoint), api_name=f"{endpoint.__name__}_text", queue=False)
            gr.api(endpoint, api_name=endpoint.__name__, queue=False)
    return page.queue(max_size=WAITING)


# On a phone the answer lies below what was asked.
_INTO_VIEW = """() => { const shown = document.querySelector("#answer");
if (shown.getBoundingClientRect().top > innerHeight / 2) shown.scrollIntoView({behavior: "smooth"}); }"""
_PASTE = """() => { document.addEventListener("paste", event => {
const files = event.clipboardData.files, input = document.querySelector("#images input[type=file]");
if (input && files.length) { input.files = files; input.dispatchEvent(new Event("change", {bubbles: true})); } }); }"""


def endpoints(desk: Desk) -> list[Callable[..., Any]]:
    """The functions that the page offers to programs, as far as there are models for them.

    Args:
        desk: that answers.
    """

    def locate(image: str = "", text: str = "", classes: str = "", top_k: int = 5) -> dict:
        """Estimate where on the earth an image, a text or both belong.

        Args:
            image: an encoded image (JPEG, PNG, TIFF, WebP …) in base64, or nothing.
            text: a description, or nothing.
            classes: of the text, such as "city, port", or nothing.
            top_k: the most cells to return.

        Returns:
            latitude and longitude in degrees, radius_km that holds half of the probability, and the likeliest cells.
        """
        return _answered(desk, "locate", image, text, classes, top_k)

    def retrieve(image: str = "", text: str = "", classes: str = "", top_k: int = 10) -> list:
        """Find the entities of the gallery whose texts go with an image, or whose images go with a text.

        Args:
            image: an encoded image in base64, or nothing.
            text: a description where there is no image.
            classes: of the text, or nothing.
            top_k: the most entities to return.

        Returns:
            the nearest first, each with its score and what is known of it.
        """
        return _answered(desk, "retrieve", image, text, classes, top_k)

    def tag(text: str, image: str = "") -> list:
        """Find persons, places, organisations and others in a text, with the help of its image.

        Args:
            text: any.
            image: an encoded image in base64, or nothing.

        Returns:
            entity_group, score, word, start and end of each entity.
        """
        return _answered(desk, "tag", image, text)

    return [function for function in (locate, retrieve, tag) if getattr(desk.models, function.__name__)]


def _tool(endpoint: Any) -> Callable[..., str]:
    """The same endpoint for the Model Context Protocol, where Gradio makes text of everything: JSON, not Python's."""

    @wraps(endpoint)
    def tool(*args: Any, **kwargs: Any) -> str:
        return json.dumps(endpoint(*args, **kwargs), ensure_ascii=False)

    tool.__annotations__ = {**endpoint.__annotations__, "return": str}
    endpoint._mcp_type = "endpoint"  # and so no tool itself
    return tool


def _answered(desk: Desk, task: str, image: str, text: str, classes: str = "", top_k: int | None = None) -> Any:
    """The answer of a pipeline, or its refusal as the error of the endpoint."""

    def work(models: OpenModels) -> Any:
        check_length(text)
        query: dict[str, Any] = {"image": read_picture(_decoded(image), "image")} if image else {}
        query |= {"text": text} if text else {}
        if not query:
            raise ValueError(f"{task} got neither an image nor a text: give one of them, or both.")
        query |= {"classes": classes} if text and task != "tag" else {}
        return getattr(models, task)(query, **({} if top_k is None else {"top_k": top_k}))

    try:
        return desk.ask(work)
    except (ValueError, OSError) as error:
        raise gr.Error(str(error), print_exception=False) from error


def _decoded(image: str) -> bytes:
    """The bytes behind base64, with or without the head of a data address."""
    try:
        return base64.b64decode(image.rpartition(",")[2], validate=True)
    except binascii.Error as error:
        raise ValueError(f"Expected an encoded image in base64, found {image[:20]!r}… ({error}).") from error


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
    mcp: bool = False,
) -> None:
    """Open models and serve the page until it is stopped.

    Args:
        names: folders of trainings, or ids on the Hub; see `open_models`.
        gallery: to search; see `open_models`.
        host: to listen on; 127.0.0.1 when omitted, or what ``GRADIO_SERVER_NAME`` says, as in a Space.
        port: likewise; the first free one from 7860 when omitted.
        share: whether to open a tunnel through Gradio's servers, by which everyone can reach the page.
        mcp: whether to offer the endpoints as tools of the Model Context Protocol too.

    Raises:
        FileNotFoundError: if there is no such model or gallery.
        ValueError: if models or gallery do not fit the page or each other.
        OSError: if the port is taken.
    """
    page = build_page(open_models(names, gallery), mcp)
    page.launch(server_name=host, server_port=port, share=share, mcp_server=mcp, **launch_options())


def _reply(desk: Desk, files: list[str] | None, text: str | None, classes: str | None) -> Markup:
    try:
        return desk.ask(answer, files or (), text or "", classes or "")
    except TimeoutError as error:
        return refused(error)


def _title(models: OpenModels) -> str:
    return "Where on Earth is this?" if models.locate or models.retrieve else "Who is named here?"


def _header(models: OpenModels) -> Markup:
    offers = {
        "an estimate of where it belongs, with its radius": models.locate,
        "what resembles it in the gallery": models.retrieve,
        "who and what is named in the text": models.tag,
    }
    offered = [words for words, pipeline in offers.items() if pipeline]
    given = "Drop images or write a text, or both" if models.reads_images else "Write a text"
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


HEADERS = {
    # Gradio compiles its templates in the browser, and puts styles and a configuration into the page.
    "content-security-policy": "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'self'",
    "referrer-policy": "no-referrer",
}


class OwnOriginOnly:
    """Middleware that sends a content security policy with every answer.

    Args:
        app: that answers.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the policy in the header."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_policy)
