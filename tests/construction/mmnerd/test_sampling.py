"""Draws that depend on seed and ids alone."""

from hf_mlm.construction.mmnerd.sampling import draw


def test_draws(record) -> None:
    records = [record("Rome", id=f"web/en/{number}") for number in range(30)]
    drawn = draw(records, 10, 0, "audit")
    assert len({one.id for one in drawn}) == 10 and draw(records[::-1], 10, 0, "audit") == drawn
    assert draw(records, 4, 0, "audit") == drawn[:4] and len(draw(records, 99, 0, "audit")) == 30
    assert draw(records, 10, 1, "audit") != drawn != draw(records, 10, 0, "training")
