"""Cells as GeoJSON against s2sphere's own geometry, and densities against their random points."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
import s2sphere
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from hf_mlm.geo.density import SphereDensity, to_degrees
from hf_mlm.pipelines.geojson import _holds, cell_geometry, contour_geometry, density_png, feature, point_geometry


def cells(max_level: int) -> st.SearchStrategy[s2sphere.CellId]:
    latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)
    places = st.builds(s2sphere.LatLng.from_degrees, latitudes, longitudes)
    return st.builds(
        lambda place, level: s2sphere.CellId.from_lat_lng(place).parent(level), places, st.integers(0, max_level)
    )


def face(number: int) -> s2sphere.CellId:
    return s2sphere.CellId.from_face_pos_level(number, 0, 0)


def at(latitude: float, longitude: float, level: int) -> s2sphere.CellId:
    return s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(latitude, longitude)).parent(level)


def rings(geometry: dict[str, Any]) -> list[np.ndarray]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    assert all(len(polygon) == 1 for polygon in polygons)
    return [np.array(polygon[0]) for polygon in polygons]


def spherical_area(ring: np.ndarray) -> float:
    """Integral of the sine of the latitude along a ring of straight lines: the area it encloses, in steradians."""
    (lon, lat), (next_lon, next_lat) = np.radians(ring[:-1]).T, np.radians(ring[1:]).T
    return float(-(np.sin((lat + next_lat) / 2) * (next_lon - lon)).sum())


@given(cells(max_level=11))
@example(face(0))
@example(face(2))
@example(face(3))
@example(face(5))
@example(at(89.9, 30, 2))
@example(at(-89.99, 180, 3))
@example(at(89.99, -179.9, 9))
@example(at(10, 180, 5))
@example(at(-10, -180, 5))
@settings(max_examples=60)
def test_polygons_have_the_cells_area(cell: s2sphere.CellId) -> None:
    parts = rings(cell_geometry(cell.to_token()))
    assert sum(map(spherical_area, parts)) == pytest.approx(s2sphere.Cell(cell).exact_area(), rel=3e-3)


@given(cells(max_level=30))
@example(face(3))
@example(face(5))
@example(at(90, 0, 30))
@example(at(-90, 0, 29))
@example(at(52.5, 180, 30))
@settings(max_examples=60)
def test_rings_are_as_rfc_7946_wants_them(cell: s2sphere.CellId) -> None:
    for ring in rings(cell_geometry(cell.to_token())):
        assert ring[0].tolist() == ring[-1].tolist() and len(ring) >= 4
        assert (np.abs(ring) <= [180, 90]).all()
        assert (np.diff(ring, axis=0) != 0).any(axis=1).all()
        steps = np.abs(np.diff(ring[:, 0]))
        assert (steps[np.abs(ring[1:, 1]) < 89.999] <= 180).all()  # nowhere across the antimeridian
        x, y = (ring - ring[0]).T
        assert (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() > 0  # counter-clockwise


@pytest.mark.parametrize(
    "cell", [face(0), face(2), face(3), face(5), at(89, 10, 1), at(-88, -179, 2), at(40, 179.5, 3), at(50, 7, 6)]
)
def test_polygons_hold_the_cells_places(cell: s2sphere.CellId) -> None:
    """Places around the cell's centre are inside the polygons if they are inside the cell."""
    generator = np.random.default_rng(0)
    parts = rings(cell_geometry(cell.to_token()))
    center = np.array([*s2sphere.Cell(cell).get_center()])
    center /= np.linalg.norm(center)
    spread, inside = np.sqrt(s2sphere.Cell(cell).exact_area()), []
    for vector in center + generator.normal(size=(300, 3)) * spread / 2:
        place = s2sphere.LatLng.from_point(s2sphere.Point(*vector))
        inside.append(cell.contains(s2sphere.CellId.from_lat_lng(place)))
        found = any(_inside(ring, place.lng().degrees, place.lat().degrees) for ring in parts)
        assert found == inside[-1]
    assert 30 < sum(inside) < 270


def _inside(ring: np.ndarray, x: float, y: float) -> bool:
    """Even-odd rule."""
    (x0, y0), (x1, y1) = ring[:-1].T, ring[1:].T
    crosses = (y0 > y) != (y1 > y)
    return bool((crosses & (x < x0 + (y - y0) / np.where(crosses, y1 - y0, 1) * (x1 - x0))).sum() % 2)


def test_only_the_face_around_the_antimeridian_is_in_two_parts() -> None:
    kinds = [cell_geometry(face(number).to_token())["type"] for number in range(6)]
    assert kinds == ["Polygon", "Polygon", "Polygon", "MultiPolygon", "Polygon", "Polygon"]
    quarters = [cell_geometry(cell.to_token())["type"] for cell in face(3).children()]
    assert quarters == ["Polygon"] * 4


def test_points_put_longitude_first() -> None:
    assert feature(point_geometry(-33.87, 151.21), {"role": "estimate"}) == {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [151.21, -33.87]},
        "properties": {"role": "estimate"},
    }


def test_what_is_no_token_gets_a_sentence() -> None:
    with pytest.raises(ValueError, match="'Bonn' is no S2 token"):
        cell_geometry("Bonn")


def test_contours_hold_their_share_of_the_density() -> None:
    """Against the mass of random points of the kernels that lie within the polygons, by the even-odd rule."""
    density = SphereDensity.from_points([[48.0, -10.0]], [[16.0, 179.5]], [[0.7, 0.3]], 200.0)
    points = density._sample(4000, np.random.default_rng(0))[0, :2000]
    latitudes, longitudes = to_degrees(points)
    for share in (0.5, 0.8):
        geometry = contour_geometry(density, share)
        assert geometry["type"] == "MultiPolygon" and json.loads(json.dumps(geometry)) == geometry
        inside = np.zeros(len(points), bool)
        for rings in geometry["coordinates"]:
            for ring in rings:
                assert ring[0] == ring[-1] and np.abs(np.array(ring)[:, 0]).max() <= 180
                inside ^= np.array([_holds(ring, [x, y]) for x, y in zip(longitudes, latitudes, strict=True)])
        assert inside.mean() == pytest.approx(share, abs=0.05)


def test_a_region_across_the_antimeridian_is_cut_there() -> None:
    density = SphereDensity.from_points([[0.0]], [[180.0]], [[1.0]], 100.0)
    polygons = contour_geometry(density, 0.8)["coordinates"]
    middles = sorted(float(np.mean(np.array(rings[0])[:, 0])) for rings in polygons)
    assert len(polygons) == 2 and middles[0] < -175 and middles[1] > 175
    for rings in polygons:
        x, y = np.array(rings[0][:-1]).T
        assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0  # counter-clockwise


def test_a_density_is_a_picture_of_the_world() -> None:
    uri = density_png(SphereDensity.from_points([[0.0]], [[90.0]], [[1.0]], 300.0), step=1.0)
    picture = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))).convert("RGB")
    assert picture.size == (361, 181)
    red, green, blue = picture.getpixel((270, 90))
    assert red > 200 and blue < 120
