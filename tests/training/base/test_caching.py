"""Caches against fresh computation."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, load_dataset
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPImageProcessorPil

from hf_mlm.data.mlm.collator import DataCollatorForRetrievalAndGeo, RandomCrops
from hf_mlm.data.mlm.torch_datasets import RawRows
from hf_mlm.models.base.regions import RegionProcessor
from hf_mlm.models.two_mner.modeling_two_mner import TwoMNERForTokenClassification
from hf_mlm.models.two_mner.processing_two_mner import TwoMNERProcessor
from hf_mlm.training.base.caching import (
    BoundedCache,
    CachedFeatures,
    CachedImages,
    CachedProcessor,
    cache_features,
    cache_images,
)
from tests.models.irle import tiny
from tests.models.two_mner.tiny import batch, config, pictures


@given(
    batches=st.lists(st.lists(st.integers(0, 6), max_size=5), max_size=8),
    sizes=st.lists(st.integers(0, 9), min_size=7, max_size=7),
    room=st.integers(0, 40),
)
def test_values_are_right_and_each_computed_once_while_there_is_room(
    batches: list[list[int]], sizes: list[int], room: int
) -> None:
    cache: BoundedCache[np.ndarray] = BoundedCache(room)
    kept: set[int] = set()
    for keys in batches:
        asked: list[int] = []

        def compute(new: list[int], keys: list[int] = keys, asked: list[int] = asked) -> list[np.ndarray]:
            asked += [keys[index] for index in new]
            return [np.full(sizes[key], key, np.uint8) for key in asked]

        found = cache.get(keys, compute)
        assert [value.tolist() for value in found] == [[key] * sizes[key] for key in keys]
        assert asked == [key for key in dict.fromkeys(keys) if key not in kept]
        for key in asked:  # whatever still fits, first come, first kept
            if sum(sizes[other] for other in kept) + sizes[key] <= room:
                kept.add(key)
        assert set(cache.kept) == kept and len(cache) == len(kept)


def test_nothing_is_computed_where_everything_is_kept() -> None:
    cache: BoundedCache[bytes] = BoundedCache(9, size=len)
    assert cache.get(["a"], lambda new: [b"one"]) == [b"one"]
    assert cache.get(["a", "a"], lambda new: 1 / 0) == [b"one", b"one"]  # type: ignore[arg-type, return-value]
    assert cache.get([], lambda new: 1 / 0) == []  # type: ignore[arg-type, return-value]


def test_loaders_can_send_it_to_their_processes() -> None:
    cache: BoundedCache[np.ndarray] = BoundedCache(8)
    cache.get(["a"], lambda new: [np.zeros(1)])
    sent = pickle.loads(pickle.dumps(cache))
    assert len(sent) == 1 and sent.room == 0


class Counting(TwoMNERProcessor):
    """Encodes images alone, and counts them."""

    def __init__(self) -> None:
        self.image_processor: Any = CLIPImageProcessorPil(
            size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8}
        )
        self.seen: list[Any] = []

    def encode_pictures(self, pictures: Any, keys: Any) -> dict[str, np.ndarray]:
        self.seen += keys
        return super().encode_pictures(pictures, keys)


def picture(number: int) -> dict[str, Any]:
    file = BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.mark.parametrize("room", [0, 2, 99])
def test_batches_are_the_same_bit_for_bit_and_images_prepared_once_while_there_is_room(room: int) -> None:
    plain, counted = Counting(), Counting()
    caching = CachedImages(counted, room=room * 3 * 8 * 8 * 4)
    for numbers in ([0, 1, None, 0], [2, 1, 0, None], [2, 0, 2, 1]):
        images = [None if number is None else picture(number) for number in numbers]
        ours, theirs = (each.encode_images(images, numbers) for each in (caching, plain))
        assert all(np.array_equal(ours[name], theirs[name]) for name in ("pixel_values", "image_index"))
    assert len(counted.seen) == {0: 8, 2: 4, 99: 3}[room] and len(plain.seen) == 8
    assert caching.encode_images([None], ["x"]) == plain.encode_images([None], ["x"]) == {}


def test_processors_declare_whether_their_images_are_cached() -> None:
    text_only, regions = SimpleNamespace(), RegionProcessor.__new__(RegionProcessor)
    assert cache_images(text_only) is text_only and cache_images(regions) is regions
    assert isinstance(cache_images(Counting()), CachedImages)


@pytest.fixture
def raw(raw_folder: Path) -> Dataset:
    return load_dataset("mlm", "irle", data_dir=str(raw_folder), max_entities=30, min_entities=1, split="train")


class CountingProcessor:
    """A processor that counts the images it prepares."""

    def __init__(self, processor: Any):
        self.processor, self.prepared = processor, 0
        self.tokenizer, self.max_length = processor.tokenizer, processor.max_length
        self.class_separator = processor.class_separator

    def __call__(self, images: list[Any]) -> Any:
        self.prepared += len(images)
        return self.processor(images=images)


def batches(rows: Any, collator: Any) -> list[dict[str, torch.Tensor]]:
    """Two shuffled epochs, the last batch smaller."""
    loaded = []
    for epoch in range(2):
        generator = torch.Generator().manual_seed(epoch)
        loaded += torch.utils.data.DataLoader(rows, 7, shuffle=True, generator=generator, collate_fn=collator)
    return loaded


@pytest.mark.parametrize("room", [10**9, 5 * 3 * 32 * 32 * 4, 0], ids=["all", "five images", "none"])
def test_batches_are_those_of_the_processor_itself(raw: Dataset, tmp_path: Path, room: int) -> None:
    processor = tiny.processor(tmp_path)
    counting = CountingProcessor(processor)
    caching = CachedProcessor(counting, room)
    kinds = [(raw, processor), (RawRows(raw), caching)]
    expected, found = (
        batches(rows, RandomCrops(DataCollatorForRetrievalAndGeo(each, views="random"), size=24))
        for rows, each in kinds
    )
    assert len(found) == len(expected) > 2
    for ours, theirs in zip(found, expected, strict=True):
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[name], values) for name, values in theirs.items())
    kept = min(room // (3 * 32 * 32 * 4), len(caching.images))
    assert len(caching.images) == kept
    assert counting.prepared == 2 * len(raw) - (len(raw) if room == 10**9 else kept)


def test_batches_are_not_changed_by_who_changes_them(raw: Dataset, tmp_path: Path) -> None:
    collator = DataCollatorForRetrievalAndGeo(CachedProcessor(tiny.processor(tmp_path)))
    rows = RawRows(raw).__getitems__([0, 1, 2])
    first = collator(rows)
    kept = {name: values.clone() for name, values in first.items()}
    for values in first.values():
        values.zero_()
    assert all(torch.equal(values, kept[name]) for name, values in collator(rows).items())


def test_equal_texts_and_images_in_a_batch_are_all_there(raw: Dataset, tmp_path: Path) -> None:
    row = RawRows(raw)[0]
    batch = DataCollatorForRetrievalAndGeo(CachedProcessor(tiny.processor(tmp_path)))([row, row])
    assert all(len(values) == 2 and torch.equal(values[0], values[1]) for values in batch.values())


def tagger(**settings: object) -> TwoMNERForTokenClassification:
    torch.manual_seed(0)
    return TwoMNERForTokenClassification(config(**settings)).train()


def test_features_equal_fresh_ones_and_each_image_is_encoded_once() -> None:
    model, plain = tagger(freeze_resnet=True), tagger(freeze_resnet=True)
    cache_features(model)
    resnet, fresh = model.image_encoders["resnet"], plain.image_encoders["resnet"]
    encoded = []
    resnet.model.register_forward_pre_hook(
        lambda module, args, kwargs: encoded.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    pixels = pictures(4)
    for numbers in ([0, 1], [1, 2, 0], [3, 3], [2, 1]):
        for one, other in zip(resnet(pixels[numbers]), fresh(pixels[numbers]), strict=True):
            torch.testing.assert_close(one, other)
    assert encoded == [2, 1, 1]


def test_encoders_in_training_are_not_cached() -> None:
    model = tagger(freeze_resnet=True, frozen_batch_norm="train")
    cache_features(model, room=2**20)
    assert not isinstance(model.image_encoders["vit"].forward, CachedFeatures)
    cached = model.image_encoders["resnet"].forward
    cached(pictures(2))
    assert not cached.kept
    model.eval()
    cached(pictures(2))
    assert len(cached.kept) == 2


def test_a_cast_model_encodes_its_images_anew() -> None:
    model, plain = tagger(freeze_resnet=True).eval(), tagger(freeze_resnet=True).eval()
    cache_features(model)
    inputs = batch()
    model(**inputs)
    found, fresh = (each.to(torch.bfloat16)(**inputs) for each in (model, plain))
    torch.testing.assert_close(found.logits, fresh.logits)


def test_without_room_every_image_is_encoded_and_state_dicts_stay_the_same() -> None:
    model = tagger(freeze_resnet=True)
    names = set(model.state_dict())
    cache_features(model, room=0)
    cached = model.image_encoders["resnet"].forward
    cached(pictures(2))
    assert not cached.kept and set(model.state_dict()) == names
