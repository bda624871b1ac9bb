from pathlib import Path

from PIL import Image

from hf_mlm.data.images import ImageFolder
from hf_mlm.data.mmnerd.checks.images import ImageLeakage, image_leakage, image_problems


def test_absent_and_broken_images(row, tmp_path: Path) -> None:
    Image.new("CMYK", (3, 3)).save(tmp_path / "whole.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"GIF89a")
    ids = ["whole", "broken", "absent", None, "absent"]
    rows = [row("a", image_id=image_id) for image_id in ids]
    found = image_problems(rows, ImageFolder(tmp_path))
    assert found.looked_for == 3 and found.absent == ["absent"]
    assert len(found.broken) == 1 and found.broken[0].startswith(f"{tmp_path}/broken.jpg is no readable image")
    assert image_problems(rows, None).looked_for == 0


def test_translations_of_a_training_tweet_leak(row) -> None:
    rows = [
        row("a", "en", "train", "O_1"),
        row("a", "de", "test", "O_1"),
        row("b", "de", "train", "O_2"),
        row("b", "de", "test", "O_2"),
        row("c", "de", "test", "O_3"),
        row("c", "en", "test", "O_3"),
        row("d", "de", "test"),
    ]
    assert image_leakage(rows) == [
        ImageLeakage("de", "test", sentences=3, same_language=1, other_languages=1),
        ImageLeakage("en", "test", sentences=1),
    ]
