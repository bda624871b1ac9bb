import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.data.mlm.archives.faults import KINDS
from hf_mlm.data.mlm.archives.positions import BadPosition, exif_position, read_position


BERLIN = {
    "degrees": "52.52, 13.405",
    "no blank": "52.52,13.405",
    "decimal commas": "52,52 13,405",
    "decimal commas and a comma": "52,52, 13,405",
    "semicolon": "52,52; 13,405",
    "letters": "52.52° N, 13.405° E",
    "letters first": "N 52.52 E 13.405",
    "DMS": "52°31′12″N 13°24′18″E",
    "DMS in ASCII": "52 31 12 N, 13 24 18 E",
    "WKT": "POINT (13.405 52.52)",
    "WKT of Wikidata": "Point(13.405 52.52)",
    "EWKT": "SRID=4326;POINT Z (13.405 52.52 34)",
    "GeoJSON": {"type": "Point", "coordinates": [13.405, 52.52]},
    "GeoJSON as text": '{"type": "Point", "coordinates": [13.405, 52.52]}',
    "a list": [52.52, 13.405],
    "texts": ["52.52", "13.405"],
    "Wikidata": {"latitude": 52.52, "longitude": 13.405, "globe": "http://www.wikidata.org/entity/Q2"},
}


@pytest.mark.parametrize("case", BERLIN)
def test_a_position_is_read_however_it_is_written(case: str) -> None:
    assert read_position(coordinates=BERLIN[case]) == (52.52, 13.405, None)


@given(latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))
def test_two_columns_come_back(latitude: float, longitude: float) -> None:
    if (latitude, longitude) == (0, 0):
        return
    assert read_position(latitude, longitude) == (latitude, longitude, None)
    commas = [repr(value).replace(".", ",") for value in (latitude, longitude)]
    rounded = read_position(*commas) if any(round(value, 9) for value in (latitude, longitude)) else None
    assert rounded is None or rounded[:2] == pytest.approx((latitude, longitude), abs=1e-8)


@given(
    latitude=st.integers(-89, 89),
    longitude=st.integers(-179, 179),
    minutes=st.integers(0, 59),
    seconds=st.integers(0, 59),
)
def test_degrees_minutes_and_seconds_are_sexagesimal(
    latitude: int, longitude: int, minutes: int, seconds: int
) -> None:
    rest_of = f"°{minutes}'{seconds}\""
    text = f"{abs(latitude)}{rest_of}{'NS'[latitude < 0]} {abs(longitude)}{rest_of}{'EW'[longitude < 0]}"
    rest = minutes / 60 + seconds / 3600
    expected = [(abs(value) + rest) * (-1 if value < 0 else 1) for value in (latitude, longitude)]
    if any(expected):
        assert read_position(coordinates=text)[:2] == pytest.approx(expected, abs=1e-8)  # type: ignore[index]


@pytest.mark.parametrize(
    "nothing", [None, "", "  ", "NaN", "n/a", "-", float("nan"), [], [None, None], {}, "nan, nan"]
)
def test_nothing_is_no_position(nothing: Any) -> None:
    assert read_position(coordinates=nothing) is None


def test_the_order_of_a_pair_may_be_the_other_but_not_that_of_wkt() -> None:
    assert read_position(coordinates="13.405, 52.52", longitude_first=True) == (52.52, 13.405, None)
    assert read_position(coordinates="POINT(13.405 52.52)", longitude_first=True) == (52.52, 13.405, None)


def test_an_area_lies_where_its_corners_do_on_average() -> None:
    latitude, longitude, _ = read_position(coordinates="POLYGON((179 -1, -179 -1, -179 1, 179 1, 179 -1))") or (
        9,
        9,
        "",
    )
    assert (latitude, abs(longitude)) == pytest.approx((0, 180), abs=1e-9)


def test_longitudes_up_to_360_are_repaired() -> None:
    assert read_position("28.1", "343.6") == (28.1, pytest.approx(-16.4), "longitude from 0 to 360")


BAD = {
    "the other order": ("116.4, 39.9", "coordinates in the other order", "latitude 116.4, longitude 39.9"),
    "metres": ("389000, 5819000", "coordinates off the earth", "5819000"),
    "null island": ([0, 0.0], "coordinates 0, 0", "latitude 0"),
    "truth": ([True, False], "truth values as coordinates", "True"),
    "truth as text": (["true", "false"], "truth values as coordinates", "true"),
    "words": ("Berlin", "unreadable coordinates", "Berlin"),
    "three": ([1, 2, 3], "unreadable coordinates", "3"),
    "sixty minutes": ("52°60′N 13°E", "unreadable coordinates", "52°60′N"),
    "a letter of the other axis": (["52 E", "13 N"], "unreadable coordinates", "52 E"),
    "half": (["52", None], "unreadable coordinates", "None"),
    "huge": ([10**400, 1], "coordinates off the earth", "inf"),
    "the Moon": ("<http://www.wikidata.org/entity/Q405> Point(23.4 8.5)", "coordinates of another globe", "Q405"),
    "Mars": (
        {"latitude": 1, "longitude": 2, "globe": "http://www.wikidata.org/entity/Q111"},
        "coordinates of another globe",
        "Q111",
    ),
    "Web Mercator": ("SRID=3857;POINT(1492232 6894699)", "another reference system", "3857"),
    "an empty geometry": ({"type": "Point", "coordinates": []}, "unreadable coordinates", "Point"),
    "a broken geometry": ("[1", "unreadable coordinates", "1"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_position_is_told_by_kind_and_value(case: str) -> None:
    value, kind, found = BAD[case]
    with pytest.raises(BadPosition) as caught:
        read_position(coordinates=value)
    assert caught.value.kind == kind in KINDS
    assert found in caught.value.found


def test_the_position_of_a_camera() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 52.0, 12.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG", exif=exif)
    found = exif_position(content.getvalue())
    assert found is not None and found[:2] == pytest.approx((-33.87, 151.21))
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "JPEG")
    assert exif_position(content.getvalue()) is exif_position(b"no image") is None
