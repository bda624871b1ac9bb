"""What stays together."""

from hf_mlm.construction.mmnerd.groups import split_groups


def test_groups(record) -> None:
    records = [
        record("Slide 9 of Rome", id="web/en/1"),
        record("Folie 9", id="web/de/1", language="de"),
        record("slide 12 of rome!", id="web/en/2"),
        record("Folie", id="web/de/3", language="de"),
        record("Folie", id="web/en/4"),
        record("2019", id="web/en/5"),
        record("2020", id="web/en/6"),
    ]
    one, image, text, both, alone, year, other = split_groups(records)
    assert one == image == text == both  # by image, by text, and by the text of its translation
    assert len({one, alone, year, other}) == 4
