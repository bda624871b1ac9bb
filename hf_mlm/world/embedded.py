"""The embedded world: real settlements with real imagery, texts, classes, coordinates and cells, and no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hf_mlm.world.facts import classes
from hf_mlm.world.gazetteer import load_gazetteer
from hf_mlm.world.hashing import hashed
from hf_mlm.world.imagery import blue_marble, encode, patches
from hf_mlm.world.sampling import sample
from hf_mlm.world.shores import land_sea_mask, shores
from hf_mlm.world.splits import SPLITS, blocks, fit_cells, split_by_group
from hf_mlm.world.summaries import summary
from hf_mlm.world.territories import LANGUAGES


CHUNK = 256  # rows whose patches are cut together


class EmbeddedWorld:
    """Settlements of GeoNames with NASA's Blue Marble around them, as raw rows of the ``mlm`` datasets.

    Rows are made when they are asked for. What a row says depends on the place and ``hints`` alone; ``size`` and
    ``seed`` decide which places there are, on which side of the split, and in which cells. Cells are fitted to the
    places of all splits, as in MLM, since held-out places need a label too; the few places that lie in no cell, having
    fewer neighbours than the threshold, are left out before the split.

    ``split="blocks"`` holds out whole S2 cells of level 5 (about 290 km), because a patch spans 474 km: on
    ``"random"``, the easy split, nearly every held-out patch is, shifted by some pixels, also in the training data.
    Patches at the rim of a held-out block still share ground with training patches. In the default world some training
    patch covers 80 % of a test patch's ground for 23 % of the test patches (74 % on ``"random"``), and the training
    patch that looks most alike lies in the right cell for 34 % (74 %). Cells finer than blocks are merged to level 4
    on ``"blocks"``, as nobody could learn a cell that is held out as a whole.

    Args:
        size: number of places, 7 … 234,908, chosen as ``hf_mlm.world.sampling.sample`` says.
        split: "blocks" or "random".
        hints: whether summaries tell country, region, time zone and other names, which nearly give the cell away.
        seed: of the choice of places and of the split.

    Attributes:
        partition: the `GeoCellPartition`; a row's ``geo_cell`` is an index into its ``tokens``.
        split_sizes: split name -> number of rows.

    Raises:
        ValueError: ``size`` is out of range or ``split`` unknown.
        ImportError: a package of the extra ``demo`` is missing.
    """

    def __init__(self, size: int = 6000, split: str = "blocks", hints: bool = True, seed: int = 0) -> None:
        if split not in ("blocks", "random"):
            raise ValueError(f"split={split!r}: a world is split by 'blocks' or at 'random'.")
        self.hints = hints
        self._gazetteer = load_gazetteer()
        places = self._gazetteer.places
        chosen = sample(places, size, seed)
        latitudes, longitudes = places.latitudes[chosen], places.longitudes[chosen]
        self.partition = fit_cells(latitudes, longitudes, size / len(places), coarser_than_blocks=split == "blocks")
        cells = self.partition.assign(latitudes, longitudes)
        order = np.argsort(hashed(places.geoname_ids[chosen], "order"))  # so that every slice is a fair sample
        order = order[cells[order] >= 0]
        self._chosen, self._cells = chosen[order], cells[order]
        groups = blocks(latitudes[order], longitudes[order]) if split == "blocks" else places.geoname_ids[self._chosen]
        sides = split_by_group(groups, seed)
        self._members = {name: np.flatnonzero(sides == side) for side, name in enumerate(SPLITS)}
        self.split_sizes = {name: len(members) for name, members in self._members.items()}

    def rows(self, split: str, start: int = 0, stop: int | None = None) -> Iterator[dict[str, Any]]:
        """Raw rows of a split, in a fixed order.

        Args:
            split: "train", "validation" or "test".
            start: first row.
            stop: the row to stop before; the end of the split when omitted.

        Yields:
            ``entity_id`` ("G" and the GeoNames id), ``label``, ``summaries`` {"en", "de", "fr"}, ``images`` (one JPEG
            of 64 × 64 pixels as {"bytes", "path"}), ``classes``, ``latitude`` and ``longitude`` (degrees),
            ``country`` (ISO 3166 alpha-2), ``geo_cell`` (index into ``partition.tokens``).

        Raises:
            ValueError: the split is unknown or the slice is not within it.
        """
        if split not in self._members:
            raise ValueError(f"split={split!r}: a world has the splits {', '.join(SPLITS)}.")
        members = self._members[split]
        stop = len(members) if stop is None else stop
        if not 0 <= start <= stop <= len(members):
            raise ValueError(f"rows {start} to {stop} of split {split!r}: it has {len(members)} rows.")
        return self._rows(members[start:stop])

    def _rows(self, members: np.ndarray) -> Iterator[dict[str, Any]]:
        for first in range(0, len(members), CHUNK):
            chunk = members[first : first + CHUNK]
            yield from self._chunk(self._chosen[chunk], self._cells[chunk].tolist())

    def _chunk(self, chosen: np.ndarray, cells: list[int]) -> Iterator[dict[str, Any]]:
        places = self._gazetteer.places.take(chosen)
        pictures = patches(blue_marble(), places.latitudes, places.longitudes)
        waters = shores(land_sea_mask(), places.latitudes, places.longitudes)
        wordings = {lang: hashed(places.geoname_ids, f"summary {lang}").tolist() for lang in LANGUAGES}
        for i, facts in enumerate(self._gazetteer.facts(chosen, waters)):
            entity_id = f"G{places.geoname_ids[i]}"
            yield {
                "entity_id": entity_id,
                "label": places.names[i],
                "summaries": {lang: summary(facts, lang, wordings[lang][i], self.hints) for lang in LANGUAGES},
                "images": [{"bytes": encode(pictures[i]), "path": f"{entity_id}.jpg"}],
                "classes": classes(facts),
                "latitude": float(places.latitudes[i]),
                "longitude": float(places.longitudes[i]),
                "country": places.countries[i],
                "geo_cell": cells[i],
            }
