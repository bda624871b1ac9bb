"""The typed endpoints, over HTTP, Gradio's client and the Model Context Protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hf_mlm.app.opening import OpenModels, open_models
from tests.pipelines.tiny import encoded, picture


pytest.importorskip("gradio", reason="no gradio: pip install 'hf-mlm[app]'")

IMAGE = base64.b64encode(encoded(picture())).decode()


@pytest.fixture(scope="module")
def models(irle: Path, tagger: Path) -> OpenModels:
    return open_models([str(irle), str(tagger)])


@pytest.fixture(scope="module")
def address(models: OpenModels) -> Iterator[str]:
    from hf_mlm.app.page import build_page, launch_options

    page = build_page(models, mcp=True)
    _, address, _ = page.launch(
        server_name="127.0.0.1",
        share=False,
        prevent_thread_lock=True,
        quiet=True,
        mcp_server=True,
        **launch_options(),
    )
    yield address
    page.close()


def post(address: str, name: str, *values: Any) -> tuple[int, Any]:
    """Status and JSON of an endpoint; of an error its message."""
    body = json.dumps({"data": values}).encode()
    request = urllib.request.Request(f"{address}gradio_api/run/{name}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)["data"][0]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]


def test_endpoints_answer_as_the_pipelines_do(address: str, models: OpenModels) -> None:
    assert models.locate and models.retrieve and models.tag
    both = {"image": picture(), "text": "the river", "classes": "city"}
    asked = (IMAGE, "the river", "city", 2)
    assert post(address, "locate", *asked) == (200, json.loads(json.dumps(models.locate(both, top_k=2))))
    assert post(address, "retrieve", f"data:image/png;base64,{IMAGE}", "", "", 3)[1] == models.retrieve(
        {"image": picture()}, top_k=3
    )
    assert post(address, "tag", "Paris in France", "") == (200, models.tag({"text": "Paris in France"}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((base64.b64encode(b"no image").decode(), "", "", 5), "image cannot be read as an image"),
        (("!!", "", "", 5), "Expected an encoded image in base64, found '!!'"),
        (("", "a" * 20_001, "", 5), "20,001 characters"),
        (("", "", "", 5), "neither an image nor a text"),
        (("", "the river", "", 0), "top_k=0"),
    ],
)
def test_refusals_are_the_pipelines_sentences(address: str, values: tuple[Any, ...], message: str) -> None:
    status, said = post(address, "locate", *values)
    assert status == 500 and message in said


def test_endpoints_are_tools_of_the_model_context_protocol(address: str, models: OpenModels) -> None:
    mcp = pytest.importorskip("mcp")
    from mcp.client.streamable_http import streamablehttp_client

    async def ask() -> tuple[dict[str, Any], Any, Any]:
        async with (
            streamablehttp_client(f"{address}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            found = await session.call_tool("tag", {"text": "Paris in France"})
            return tools, found, await session.call_tool("locate", {"image": "aaaa"})

    tools, found, refused = asyncio.run(ask())
    assert set(tools) == {"locate", "retrieve", "tag"}
    assert "in base64" in tools["locate"].inputSchema["properties"]["image"]["description"]
    assert models.tag and json.loads(found.content[0].text) == models.tag("Paris in France")
    assert refused.isError and "cannot be read as an image" in refused.content[0].text
