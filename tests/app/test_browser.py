"""The page in a real browser: it loads, takes an image and a text, answers, and reaches no other machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

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


def answered(tab: Tab, *said: str) -> str:
    """The text of the answer, as soon as it has all that is expected in it."""
    wanted = " && ".join(f"shown.includes({json.dumps(each)})" for each in said)
    question = f"(shown => {wanted})(document.querySelector('.answer').innerText)"
    try:
        tab.wait_for(question)
    except AssertionError as error:
        raise AssertionError(tab.run("document.querySelector('.answer').innerText")) from error
    return tab.run("document.querySelector('.answer').innerText")


def clear(tab: Tab) -> None:
    """Take the images away."""
    tab.run("document.querySelector('#images button[aria-label=Clear], #images button[title=Clear]').click()")
    tab.wait_for("!!document.querySelector('#images input[type=file]')")


def test_an_image_and_a_text_are_answered(address: str, tmp_path: Path) -> None:
    text = "Paris, in France: the ${1 + 1} {{value}} <b>river</b>"
    picture().save(tmp_path / "photo.png")
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


@pytest.mark.parametrize("width", WIDTHS)
def test_files_of_all_kinds_are_answered_or_refused_and_come_into_view(
    address: str, tmp_path: Path, width: int
) -> None:
    picture().save(tmp_path / "scan.tif")
    (tmp_path / "t.jpg").write_bytes(b"no image")
    Image.new("1", (13_000, 13_000)).save(tmp_path / "bomb.png")
    (tmp_path / "large.png").write_bytes(bytes(21_000_000))
    with chromium_tab(tmp_path / "profile") as tab:
        tab.size(width, 844)
        tab.open(address)
        tab.wait_for(
            "!!document.querySelector('#images input[type=file]') && !!document.querySelector('.answer .hint')"
        )
        for name, said in (
            ("t.jpg", "t.jpg cannot be read as an image"),
            ("bomb.png", "13,000 × 13,000 pixels"),
            ("large.png", "21.0 MB, and at most 20"),
        ):
            tab.upload("#images input[type=file]", tmp_path / name)
            answered(tab, said)
            clear(tab)
        tab.upload("#images input[type=file]", tmp_path / "scan.tif")
        answered(tab, "judging by the image", "scan.tif")
        assert tab.run("document.querySelector('.answer .given img').naturalWidth") > 0
        tab.wait_for("document.querySelector('#answer').getBoundingClientRect().top < innerHeight / 2")
        clear(tab)
        tab.upload("#images input[type=file]", tmp_path / "scan.tif", tmp_path / "t.jpg")
        answered(tab, "1 of 2 images located", "cannot be read as an image")
        links = "[...document.querySelectorAll('.downloads a')].map(link => link.download)"
        assert tab.run(links) == ["estimates.csv", "estimates.geojson"]
        assert overflow(tab) <= 0
        assert tab.complaints == []
