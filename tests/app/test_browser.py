"""The page in a real browser: it loads, takes an image and a text, answers, and reaches no other machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hf_mlm.app.opening import open_models
from tests.pipelines.tiny import picture


pytest.importorskip("gradio", reason="no gradio: pip install 'hf-mlm[app]'")
pytest.importorskip("websockets")

from tests.app.browser import CHROMIUM, Tab, chromium_tab  # noqa: E402


pytestmark = [
    pytest.mark.real,
    pytest.mark.heavy,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium"),
]
WIDTHS = (1280, 390)
HERE = ("http://127.0.0.1:", "data:", "blob:", "about:")


@pytest.fixture
def address(irle: Path, tagger: Path) -> Iterator[str]:
    """Where the page is served; this process is kept from other machines by `loopback_only`."""
    from hf_mlm.app.page import build_page, launch_options

    page = build_page(open_models([str(irle), str(tagger)]))
    _, address, _ = page.launch(
        server_name="127.0.0.1", share=False, prevent_thread_lock=True, quiet=True, **launch_options()
    )
    yield address
    page.close()


def overflow(tab: Tab) -> int:
    """Pixels by which the page is wider than the window."""
    return tab.run("document.documentElement.scrollWidth - window.innerWidth")


def test_an_image_and_a_text_are_answered(address: str, tmp_path: Path) -> None:
    text = "Paris, in France: the ${1 + 1} {{value}} <b>river</b>"
    picture().save(tmp_path / "photo.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    with chromium_tab(tmp_path / "profile") as tab:
        tab.size(WIDTHS[0], 900)
        tab.open(address)
        tab.wait_for("!!document.querySelector('#ask') && !!document.querySelector('.answer .hint')")
        assert "Responsible use" in tab.run("document.body.innerText")

        tab.upload("input[type=file]", tmp_path / "photo.png")
        tab.wait_for("document.querySelectorAll('.answer .map .estimate').length")
        shown = tab.run("document.querySelector('.answer').innerText")
        assert "judging by the image" in shown and "Texts that go with the image" in shown

        tab.write("textarea", text)
        tab.run("document.querySelector('#ask').click()")
        tab.wait_for("document.querySelector('.answer').innerText.includes('image and the text')")
        tagged = "[...document.querySelectorAll('.answer .text')].map(line => { line = line.cloneNode(true);"
        tagged += "line.querySelectorAll('mark span').forEach(kind => kind.remove()); return line.textContent })[0]"
        assert tab.run(tagged) == text  # nothing in it is taken for markup or a template

        for width in WIDTHS:
            tab.size(width, 844)
            assert overflow(tab) <= 0
            assert len(tab.picture()) > 20_000
        assert tab.complaints == []

        reached = "fetch('http://192.0.2.1/').then(() => 'reached', error => window.refused = String(error)), 0"
        assert [url for url in tab.requests if not url.startswith(HERE)] == []
        tab.run(reached)  # the policy that the page comes with keeps even a script in it from asking elsewhere
        assert "TypeError" in tab.wait_for("window.refused")
        assert any("Content Security Policy" in text for text in tab.complaints), json.dumps(tab.complaints)
