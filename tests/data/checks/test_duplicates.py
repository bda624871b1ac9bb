from hf_mlm.data.checks.duplicates import near_repeats, repeated_images, repeated_texts


def test_texts_that_repeat(row) -> None:
    rows = [
        row("a b"),
        row("a b"),
        row("A b"),
        row("a b", "de"),
        row("a b", split="test"),
        row("a b", split="test"),
        row("A B", split="test"),
        row("c", split="test"),
    ]
    found = repeated_texts(rows)
    assert found.within == {"train": 1, "test": 1} and found.across == {"train/test": 2}
    found = repeated_texts(rows, ignore_case=True)
    assert found.within == {"train": 2, "test": 2} and found.across == {"train/test": 3}


def test_images_that_repeat_within_a_language(row) -> None:
    rows = [row("a", image_id="1"), row("b", image_id="1"), row("c", "de", "test", "1"), row("d", split="test")]
    rows += [row("e", split="test", image_id="1"), row("f", split="test")]
    found = repeated_images(rows)
    assert found.within == {"train": 1, "test": 0} and found.across == {"train/test": 1}


def test_near_repeats_between_splits_only(row) -> None:
    rows = [
        row("The cat sat on a mat", line=1),
        row("the cat sat on a rug", line=3),
        row("the cat sat on a", split="test", line=5),
        row("The CAT sat on a mat", split="test", line=7),
        row("the dog ran", split="test", line=9),
        row("something else", split="validation", line=11),
    ]
    found = near_repeats(rows, similarities=(1.0, 0.8))
    assert found.counts == {
        "train/test": {1.0: 1, 0.8: 2},
        "train/validation": {1.0: 0, 0.8: 0},
        "test/validation": {1.0: 0, 0.8: 0},
    }
    assert found.examples["train/test"] == [("f.txt:1", "f.txt:7", 1.0), ("f.txt:1", "f.txt:5", 5 / 6)]
