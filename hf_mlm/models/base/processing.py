"""Processors of the taggers: sentences become windows, windows rows, and rows a batch, with images beside them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import transformers  # the Auto classes only when called: importing them registers these processors
from PIL import Image
from transformers import BatchFeature, ProcessorMixin

from hf_mlm.data.words import LARGEST_SAMPLE, Kept, Rule, WordSplitter
from hf_mlm.models.base.encoders import IMAGE_MEAN, IMAGE_STD, Source, is_torchvision
from hf_mlm.models.base.images import distinct_images, to_rgb
from hf_mlm.models.base.word_encoding import Window, WordEncoder
from hf_mlm.models.layers.crf import IGNORED
from hf_mlm.models.layers.pooling import NO_WORD


if TYPE_CHECKING:
    from typing import Self

Sentence = str | Sequence[str]

# Kept apart from the processors, which are saved, copied and hashed without them: words of sentences that were trained
# on, and the splitter that they gave.
_OBSERVED: WeakKeyDictionary[SentenceProcessor, tuple[list[Sequence[str]], list[WordSplitter]]] = WeakKeyDictionary()
_SAVED = ("word_splitter", "word_settings", "word_shares")


class SentenceProcessor(ProcessorMixin):
    """Base of the taggers' processors, which differ in how their `windows` read words.

    Args:
        word_splitter: rule by which texts are split into words, one of `hf_mlm.data.words.RULES`. When omitted, it is
            that of `learn_words`, else the best for the sentences that were trained on, else ``"mmnerd"``.
        word_settings: what else `WordSplitter` takes.
    """

    padding_id = 0  # of ``input_ids``

    def __init__(
        self,
        *args: Any,
        word_splitter: Rule | None = None,
        word_settings: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self._splitter = None if word_splitter is None else WordSplitter(word_splitter, **(word_settings or {}))
        self._kept: Kept | None = None

    @classmethod
    def from_args_and_dict(cls, args: Any, processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Make a processor of what was saved, its splitter included, which transformers would leave out."""
        saved, given = ({name: each.pop(name) for name in _SAVED if name in each} for each in (processor_dict, kwargs))
        made = super().from_args_and_dict(args, processor_dict, **kwargs)
        processor, words = made[0] if isinstance(made, tuple) else made, {**saved, **given}
        if words.get("word_splitter") is not None:
            settings = words.get("word_settings", {}) if words["word_splitter"] == saved.get("word_splitter") else {}
            processor._splitter = WordSplitter(words["word_splitter"], **settings)
            processor._kept = Kept(**words["word_shares"]) if "word_shares" in words else None
        return made

    def to_dict(self) -> dict[str, Any]:
        """Tell what is saved: the settings, and how texts become words if that is known."""
        saved = super().to_dict()
        if self._splitter is not None or self in _OBSERVED:
            saved |= {"word_splitter": self.splitter.rule, "word_settings": self.splitter.settings}
        return saved if self._kept is None else {**saved, "word_shares": self._kept._asdict()}

    @property
    def splitter(self) -> WordSplitter:
        """Splits texts into words as those of training were."""
        sentences, learnt = _OBSERVED.get(self, ([], []))
        if self._splitter is None and sentences and not learnt:
            learnt.append(WordSplitter.from_sentences(sentences)[0])
        return self._splitter or (learnt[0] if learnt else WordSplitter())

    def learn_words(self, sentences: Iterable[Sequence[str]], rule: Rule | None = None) -> Kept:
        """Choose the rule that splits texts into words as those of training sentences.

        Args:
            sentences: words of each training sentence.
            rule: take this one.

        Returns:
            The shares of the words that it finds again.
        """
        self._splitter, self._kept = WordSplitter.from_sentences(sentences, rule)
        return self._kept

    def observe(self, sentences: Sequence[Sequence[str]]) -> None:
        """Take note of sentences that are trained on, for a rule to be chosen where none is set.

        Args:
            sentences: words of each sentence.
        """
        if self._splitter is None:
            seen, learnt = _OBSERVED.setdefault(self, ([], []))
            if len(seen) < LARGEST_SAMPLE:
                seen.extend(sentences)
                learnt.clear()

    def __call__(
        self,
        text: Sentence | Sequence[Sentence],
        *,
        labels: Sequence[Sequence[int]] | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Prepare sentences.

        Args:
            text: sentences, each a list of words, or a string, which the `splitter` divides; or one string.
            labels: a label for each word of each sentence.
            return_tensors: "pt" for tensors, "np" for arrays.

        Returns:
            What ``model_input_names`` names, (rows, tokens) each, and ``labels`` (rows, tokens) if given; as many rows
            as sentences unless some are longer than a row can be.

        Raises:
            ValueError: if the labels do not match the words, or the words cannot be encoded.
        """
        windows = self.windows(self.words([text] if isinstance(text, str) else text))
        return BatchFeature(self.pad(self.rows(windows, labels)), tensor_type=return_tensors)

    def words(self, sentences: Sequence[Sentence]) -> list[Sequence[str]]:
        """Split those sentences that are strings into words, by the `splitter`.

        Args:
            sentences: strings or lists of words.
        """
        return [self.splitter(sentence)[0] if isinstance(sentence, str) else sentence for sentence in sentences]

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Encode sentences, given as lists of words, each into at least one window.

        Args:
            sentences: words of each sentence.

        Raises:
            ValueError: if a sentence is a string, or a word cannot be encoded.
        """
        raise NotImplementedError

    def rows(self, windows: Sequence[Window], labels: Sequence[Sequence[int]] | None = None) -> list[dict[str, Any]]:
        """Make a row of each window, such as a dataset of encoded sentences keeps.

        Args:
            windows: of sentences.
            labels: a label for each word of each sentence.

        Returns:
            ``input_ids`` and ``word_ids`` (tokens,) of each window, ``character_ids`` (words, characters of each) for
            models that spell words, and ``labels`` (tokens,) if given.

        Raises:
            ValueError: if a sentence has more or fewer labels than words.
        """
        rows: list[dict[str, Any]] = []
        if labels is not None:
            _check_labels(windows, labels)
        for window in windows:
            row: dict[str, Any] = {"input_ids": window.input_ids, "word_ids": window.word_ids}
            if window.character_ids is not None:
                row["character_ids"] = window.character_ids
            if labels is not None:
                row["labels"] = window.align(labels[window.sentence])
            rows.append(row)
        return rows

    def pad(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """Bring rows to the length of the longest, and words to that of the longest among them.

        Args:
            rows: what `rows` returned, with or without ``labels`` all of them.

        Returns:
            The same, int64 (rows, tokens) or (rows, words, characters), and ``attention_mask`` (rows, tokens).
        """
        fillers = {"input_ids": self.padding_id, "word_ids": NO_WORD, "labels": IGNORED}
        inside = lengths_mask([len(row["input_ids"]) for row in rows])  # (rows, tokens)
        batch = {"attention_mask": inside.astype(np.int64)}
        for name in [name for name in fillers if name in rows[0]]:
            batch[name] = np.full(inside.shape, fillers[name])
            batch[name][inside] = list(chain.from_iterable(row[name] for row in rows))
        if "character_ids" in rows[0]:
            words = list(chain.from_iterable(row["character_ids"] for row in rows))
            spelt = lengths_mask([len(word) for word in words])  # (all words, characters)
            flat = np.zeros(spelt.shape, dtype=np.int64)
            flat[spelt] = list(chain.from_iterable(words))
            batch["character_ids"] = np.zeros((*inside.shape, spelt.shape[1]), dtype=np.int64)
            batch["character_ids"][inside] = flat
        return batch


def lengths_mask(lengths: Sequence[int]) -> np.ndarray:
    """Mark where rows of such lengths are: bool (rows, longest), with a column at least."""
    counts = np.array(lengths, dtype=np.int64)
    return np.arange(max(counts.max(initial=0), 1)) < counts[:, None]


def _check_labels(windows: Sequence[Window], labels: Sequence[Sequence[int]]) -> None:
    words = {window.sentence: window.stop for window in windows}  # its last window ends where the sentence does
    if len(labels) != len(words):
        raise ValueError(f"there are labels for {len(labels)} sentences, and {len(words)} sentences.")
    for sentence, count in words.items():
        if len(labels[sentence]) != count:
            raise ValueError(f"sentence {sentence} has {count} words and {len(labels[sentence])} labels.")


# Kept apart from the processors, which are saved, copied and hashed without what an encoder has cached.
_ENCODERS: WeakKeyDictionary[TaggerProcessor, tuple[Any, WordEncoder]] = WeakKeyDictionary()


class TaggerProcessor(SentenceProcessor):
    """Encodes words with any tokenizer, fast or slow, so that none of them and none of their labels gets lost.

    Words that the tokenizer deletes become its unknown token. Sentences longer than ``max_length`` become windows,
    each of them a row; each word's label is in one of them.

    Args:
        tokenizer: the text encoder's.
        max_length: sub-tokens of a row, special tokens included; the tokenizer's limit when omitted.
        stride: sub-tokens that two windows of a sentence share at most; a quarter of ``max_length`` when omitted.

    Example:
        ``processor(text=[["Paris", "rocks"]])`` gives ``input_ids``, ``attention_mask`` and ``word_ids``, which are
        ``[[-1, 0, 1, -1]]`` for BERT.
    """

    def __init__(self, tokenizer: Any, max_length: int | None = None, stride: int | None = None, **kwargs: Any):
        super().__init__(tokenizer=tokenizer, **kwargs)
        self.max_length = max_length
        self.stride = stride
        self._word_encoder()  # refuses what does not fit together

    def windows(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Encode sentences, given as lists of words, each into at least one window."""
        return self._word_encoder()(sentences)

    def windows_in_context(self, sentences: Sequence[Sequence[str]]) -> list[Window]:
        """Encode the sentences of a document, each amid as many words before and after it as fit into a row.

        Args:
            sentences: words of each sentence, in their order.
        """
        return self._word_encoder().in_context(sentences)

    def _word_encoder(self) -> WordEncoder:
        settings = (len(self.tokenizer), self.max_length, self.stride)
        known, encoder = _ENCODERS.get(self, (None, None))
        if encoder is None or known != settings:
            encoder = WordEncoder(self.tokenizer, self.max_length, self.stride)
            _ENCODERS[self] = settings, encoder
        return encoder

    @property
    def padding_id(self) -> int:  # type: ignore[override]
        """The tokenizer's id of padding."""
        return self.tokenizer.pad_token_id or 0

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return ["input_ids", "attention_mask", "word_ids"]


class ImageSentenceProcessor(SentenceProcessor):
    """Base of the processors that prepare images beside sentences, each once, by their ``image_processor``.

    It stands before the class that reads the words, as in ``class ImageTaggerProcessor(ImageSentenceProcessor,
    TaggerProcessor)``.

    Attributes:
        cacheable_images: whether ``pixel_values`` are all that becomes of an image, so that a caller may keep them.
    """

    image_processor: Any
    cacheable_images = True

    def __call__(
        self,
        text: Sentence | Sequence[Sentence],
        *,
        images: Any = None,
        labels: Sequence[Sequence[int]] | None = None,
        return_tensors: str | None = "pt",
    ) -> BatchFeature:
        """Prepare sentences as `SentenceProcessor` does, with their images, None where a sentence has none.

        Images come in any form that `hf_mlm.models.base.images.to_rgb` takes; the same object for several sentences is
        encoded once. Beside what the sentences alone would give there is what `encode_images` gives.

        Raises:
            FileNotFoundError: if an image's path leads nowhere.
            ValueError: if there are more or fewer images or labels than sentences or words, or an image is broken.
        """
        sentences = [text] if isinstance(text, str) else text
        windows = self.windows(self.words(sentences))
        data: dict[str, Any] = self.pad(self.rows(windows, labels))
        if images is not None:
            images = list(images) if isinstance(images, (list, tuple)) else [images]
            if len(images) != len(sentences):
                raise ValueError(f"there are {len(images)} images for {len(sentences)} sentences: pass None for none.")
            data |= self.encode_images([images[window.sentence] for window in windows])
        return BatchFeature(data, tensor_type=return_tensors)

    def encode_images(self, images: Sequence[Any], keys: Sequence[Hashable] | None = None) -> dict[str, np.ndarray]:
        """Prepare the images of a batch's rows, each distinct one once.

        Args:
            images: of each row, None where it has none.
            keys: what tells one image from another; by default they are the same if they are the same object.

        Returns:
            ``pixel_values`` float32 (images, 3, height, width) and ``image_index`` int64 (rows,), -1 where none;
            nothing if no row has an image.
        """
        keys = [id(image) for image in images] if keys is None else keys
        firsts, index = distinct_images(images, keys)
        if not firsts:
            return {}
        pictures = [to_rgb(image, f"image {number}") for number, image in enumerate(firsts.values())]
        return {**self.encode_pictures(pictures, list(firsts)), "image_index": index}

    def encode_pictures(self, pictures: Sequence[Image.Image], keys: Sequence[Hashable]) -> dict[str, np.ndarray]:
        """Prepare distinct images, RGB and upright: ``pixel_values`` float32 (images, 3, height, width)."""
        pixels = self.image_processor(pictures, return_tensors="np")["pixel_values"]
        return {"pixel_values": np.asarray(pixels, dtype=np.float32)}

    @property
    def model_input_names(self) -> list[str]:
        """Names of the model's arguments that the processor makes."""
        return [*super().model_input_names, "pixel_values", "image_index"]


class ImageTaggerProcessor(ImageSentenceProcessor, TaggerProcessor):
    """Encodes words as `TaggerProcessor` does, and the images beside them, each once.

    The arguments are those of `TaggerProcessor`, and before them one of transformers' image processors, of which the
    Pillow ones are enough.
    """

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        max_length: int | None = None,
        stride: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(tokenizer, max_length, stride, image_processor=image_processor, **kwargs)

    @classmethod
    def from_encoders_pretrained(cls, text: Source, image: Source, **settings: Any) -> Self:
        """Make the processor for a model's ``from_encoders_pretrained`` from the same sources.

        Args:
            text: folder or Hub name of the text encoder, with its tokenizer.
            image: folder or Hub name of the image encoder, with its image processor, or a ``.pth`` file of
                torchvision's.
            **settings: of the class, such as ``max_length``.
        """
        if is_torchvision(image):
            images = transformers.ConvNextImageProcessorPil(
                size={"shortest_edge": 224}, crop_pct=0.875, image_mean=list(IMAGE_MEAN), image_std=list(IMAGE_STD)
            )
        else:
            images = transformers.AutoImageProcessor.from_pretrained(image)
        return cls(images, transformers.AutoTokenizer.from_pretrained(text), **settings)
