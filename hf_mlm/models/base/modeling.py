"""Base classes of the models: encoders of any architecture, the tagging head, and taggers of texts and of images."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from huggingface_hub import HfApi
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple
from transformers.utils.hub import create_and_tag_model_card

from hf_mlm.models.base.configuration import ImageTaggerConfig
from hf_mlm.models.base.encoders import Source, attention_by_encoder, build_encoder, drop_pooler, load_encoder
from hf_mlm.models.layers.crf import LinearChainCRF, TaggingHead
from hf_mlm.models.layers.pooling import find_words
from hf_mlm.registry import COMPLETE_PUSH, load


if TYPE_CHECKING:
    from typing import Self

Forward = TypeVar("Forward", bound=Callable[..., Any])


class EncodersPreTrainedModel(PreTrainedModel):
    """Base of the models that read images and texts through encoders of any architecture."""

    accepts_loss_kwargs = False  # the loss is a mean over rows, which the Trainer must not rescale
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def set_attn_implementation(self, attn_implementation: Any, *args: Any, **kwargs: Any) -> None:
        """Choose how to attend, in all encoders that do; a dictionary chooses for each of them."""
        if isinstance(attn_implementation, str):
            attn_implementation = attention_by_encoder(self, attn_implementation)
        super().set_attn_implementation(attn_implementation, *args, **kwargs)

    def save_pretrained(self, *args: Any, save_original_format: bool = False, **kwargs: Any) -> None:
        """Save as transformers does, but with weights under the names that the model has for them.

        Transformers would give those of some encoders, such as ViT's, the names of older releases, and does so with
        ``save_original_format=True``. ``from_pretrained`` knows these, and a Trainer that goes on from a checkpoint or
        loads the best one does not: it would leave such an encoder as it was.
        """
        super().save_pretrained(*args, save_original_format=save_original_format, **kwargs)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = "Upload model",
        commit_description: str | None = None,
        private: bool | None = None,
        token: bool | str | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        max_shard_size: int | str | None = "50GB",
        tags: list[str] | None = None,
    ) -> Any:
        """Upload the model as transformers does, with a card of this package and without local paths; give its commit.

        The arguments are those of transformers.

        Raises:
            ValueError: if something private would be uploaded.
        """
        api = HfApi(token=token)
        name = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with TemporaryDirectory() as folder:
            create_and_tag_model_card(name, tags, token=token).save(Path(folder) / "README.md")
            self.save_pretrained(folder, max_shard_size=max_shard_size)
            load(COMPLETE_PUSH)(folder, name, self.name_or_path)
            if revision is not None and not create_pr:
                api.create_branch(name, branch=revision, exist_ok=True)
            return api.upload_folder(
                repo_id=name,
                folder_path=folder,
                commit_message=commit_message,
                commit_description=commit_description,
                revision=revision,
                create_pr=create_pr,
            )


@dataclass
class TaggerOutput(ModelOutput):
    """What a tagger with one loss returns, always in this order; tokens are words where the model reads whole words.

    Args:
        loss: scalar, the negative log-likelihood of a sentence's labels, mean over sentences.
        logits: (batch, tokens, labels), scores of the labels before the CRF.
        predictions: int64 (batch, tokens), the decoded label where a word starts, -100 elsewhere; None in training.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    predictions: torch.Tensor | None = None


INPUTS = {
    "input_ids": "int64 (batch, tokens); tokens are words where the model reads whole words.",
    "attention_mask": "(batch, tokens), 0 at padding, which stands at the right where the model reads whole words.",
    "token_type_ids": "int64 (batch, tokens), for encoders that take them.",
    "word_ids": (
        "int64 (batch, tokens), the word that each token belongs to, -1 at special tokens and padding; words start "
        "where it changes. When omitted, words are where ``labels`` are, and without those every token is one."
    ),
    "character_ids": "int64 (batch, words, characters), 0 at padding; left aside by a model that reads none.",
    "pixel_values": (
        "(images, 3, height, width), each image once, or (images, regions, 3, height, width) where ``region_mask`` is "
        "taken; None if no sentence has an image."
    ),
    "region_mask": "bool (images, regions), False where there is no region; all are there when omitted.",
    "image_index": (
        "int64 (batch,), which image each sentence has, -1 where none; when omitted, ``pixel_values`` has a row for "
        "each sentence."
    ),
    "image_mask": "bool (batch,), False for sentences without an image, whatever their row of ``pixel_values``.",
    "labels": "int64 (batch, tokens), at a word's first token, -100 elsewhere and where there is nothing to learn.",
}
NOT_TAKEN = ("inputs_embeds", "output_attentions", "output_hidden_states")  # peft passes them, None, to every tagger


def tagger_forward(forward: Forward) -> Forward:
    """Make a tagger's ``forward`` answer as a tuple where asked, and add `INPUTS` to its documentation.

    Raises:
        RuntimeError: when called, under ``torch.jit.trace``, which would keep one batch's path through the CRF.
        ValueError: when called with something of `NOT_TAKEN` that is not None.
    """
    answer = can_return_tuple(forward)

    @wraps(forward)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.jit.is_tracing():
            raise RuntimeError(
                "torch.jit.trace would keep its example's path through the CRF: use hf-mlm export, or torch.export."
            )
        for name in NOT_TAKEN:
            if (value := kwargs.pop(name, None)) is not None and value is not False:
                raise ValueError(f"{type(self).__name__} takes no {name}: leave it out.")
        return answer(self, *args, **kwargs)

    names = [name for name in inspect.signature(forward).parameters if name in INPUTS]
    described = "".join(f"    {name}: {INPUTS[name]}\n" for name in names)
    checked.__doc__ = (
        f"{inspect.getdoc(forward)}\n\nArgs:\n{described}\nRaises:\n    ValueError: if inputs do not fit each other."
    )
    return checked  # type: ignore[return-value]


class TaggerPreTrainedModel(EncodersPreTrainedModel):
    """Base of the taggers, most of which read by their ``text_encoder``; all of them end in their ``head``.

    Their ``forward`` takes those of `INPUTS` that it names.
    """

    main_input_name = "input_ids"

    text_encoder: PreTrainedModel
    head: TaggingHead

    def post_init(self) -> None:
        """Start the weights that were not loaded, and freeze the encoders that are to stay."""
        super().post_init()
        for encoder in self._frozen_encoders():
            encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Switch training on or off; frozen encoders stay as in evaluation, batch statistics included."""
        super().train(mode)
        for encoder in self._frozen_encoders():
            encoder.eval()
        return self

    def get_input_embeddings(self) -> nn.Module:
        """The text encoder's embeddings."""
        return self.text_encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the text encoder's embeddings."""
        self.text_encoder.set_input_embeddings(value)

    def _encoders(self) -> dict[str, nn.Module]:
        """The pretrained parts, which the configuration's ``freeze_<name>`` are about."""
        parts = {name: getattr(self, name, None) for name in ("text_encoder", "image_encoder")}
        return {name: part for name, part in parts.items() if part is not None}

    def _frozen_encoders(self) -> list[nn.Module]:
        return [part for name, part in self._encoders().items() if getattr(self.config, f"freeze_{name}")]

    def _make_head(self, width: int, kind: Literal["crf", "softmax"] = "crf") -> TaggingHead:
        """The head over word vectors of a width, as the configuration wants it."""
        config = self.config
        return TaggingHead(width, config.label_names, config.dropout, kind, config.constrained_decoding)

    def _read(
        self, input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None, token_type_ids: torch.Tensor | None
    ) -> Any:
        """What the text encoder gives; ``last_hidden_state`` is (batch, tokens, hidden)."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        return self.text_encoder(input_ids=input_ids, attention_mask=attention_mask, **types)

    def _finish(
        self,
        logits: torch.Tensor,
        word_ids: torch.Tensor | None,
        labels: torch.Tensor | None,
        attention_mask: torch.Tensor | None = None,
    ) -> TaggerOutput:
        """Loss and predictions of the scores (batch, tokens, labels)."""
        loss = None if labels is None else self.head.loss(logits, labels)
        predictions = self._decode(logits, word_ids, labels, attention_mask)
        return TaggerOutput(loss=loss, logits=logits, predictions=predictions)

    def _decode(
        self,
        logits: torch.Tensor,
        word_ids: torch.Tensor | None,
        labels: torch.Tensor | None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor | None:
        """The predictions alone, None in training."""
        if not self.training:
            return self.head.decode(logits, find_words(logits, word_ids, labels, attention_mask))
        if labels is None and self.head.crf is not None and torch.is_grad_enabled():
            raise ValueError(
                "Expected labels to train a CRF on, found none: leave out what makes a Trainer keep them back "
                "(label_smoothing_factor, compute_loss_func), or take head='softmax' of CRFTaggerConfig."
            )
        return None

    def _init_weights(self, module: nn.Module) -> None:
        """Start own layers as transformers starts its own, and the CRF's scores near 0."""
        super()._init_weights(module)
        if isinstance(module, LinearChainCRF):
            module.reset_parameters()


class ImageTaggerPreTrainedModel(TaggerPreTrainedModel):
    """Base of taggers that keep their encoders as ``text_encoder`` and ``image_encoder``, None in text-only forms.

    Args:
        config: of the whole model.
        text_encoder: the text encoder, already loaded; built from the configuration when omitted.
        image_encoder: the image encoder, already loaded; left aside by a text-only form.
    """

    input_modalities = ("image", "text")

    config: ImageTaggerConfig
    image_encoder: Any

    def __init__(
        self,
        config: ImageTaggerConfig,
        text_encoder: PreTrainedModel | None = None,
        image_encoder: PreTrainedModel | None = None,
    ):
        super().__init__(config)
        self.text_encoder = drop_pooler(build_encoder(config.text_encoder_config, text_encoder))
        self.image_encoder = (
            drop_pooler(build_encoder(config.image_encoder_config, image_encoder)) if config.use_images else None
        )

    @classmethod
    def from_encoders_pretrained(cls, text: Source, image: Source | None = None, **settings: Any) -> Self:
        """Put the model on pretrained encoders; without an image encoder it is the text-only form.

        Args:
            text: folder or Hub name of a text model or of a pair such as CLIP, whose text half is taken.
            image: folder or Hub name of a vision model or of a pair, whose vision half is taken, or a ``.pth`` file
                of a ResNet of torchvision's.
            **settings: further settings of the configuration.
        """
        reads = load_encoder(text, "text_config")
        sees = None if image is None else load_encoder(image, "vision_config")
        configs = {"text_encoder_config": reads.config, "image_encoder_config": None if sees is None else sees.config}
        return cls(cls.config_class(**configs, use_images=sees is not None, **settings), reads, sees)


def feature_tokens(hidden_states: torch.Tensor) -> torch.Tensor:
    """Lay the positions of a feature map (images, channels, height, width) side by side: (images, tokens, channels).

    Tokens of a transformer, which are of this shape already, stay as they are.
    """
    return hidden_states.flatten(2).transpose(1, 2) if hidden_states.dim() == 4 else hidden_states


def image_rows(
    batch_size: int,
    pixel_values: torch.Tensor | None,
    image_index: torch.Tensor | None = None,
    image_mask: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """Give each sentence the row of its image.

    Args:
        batch_size: number of sentences.
        pixel_values: (images, …), each image once; None if no sentence has one.
        image_index: int64 (batch,), which image each sentence has, -1 where none; when omitted, there is an image for
            each sentence.
        image_mask: bool (batch,), False for sentences without an image, whatever their index.

    Returns:
        int64 (batch,), -1 where a sentence has no image; None if there are no images at all.

    Raises:
        ValueError: if there are more or fewer images than sentences and no ``image_index``.

    Example:
        >>> image_rows(2, torch.zeros(2, 3, 8, 8), image_mask=torch.tensor([True, False]))
        tensor([ 0, -1])
    """
    if pixel_values is None or pixel_values.shape[0] == 0:
        return None
    if image_index is None:
        if pixel_values.shape[0] != batch_size:
            raise ValueError(
                f"pixel_values has {len(pixel_values)} images for {batch_size} sentences: pass image_index, which "
                "image each sentence has and -1 where none."
            )
        image_index = torch.arange(batch_size, device=pixel_values.device)
    return image_index if image_mask is None else image_index.masked_fill(~image_mask.bool(), -1)


def as_regions(
    pixel_values: torch.Tensor, region_mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read images as one region each where they do not come as regions.

    Args:
        pixel_values: (images, regions, 3, height, width), or (images, 3, height, width).
        region_mask: bool (images, regions), False where there is no region; all are there when omitted.

    Returns:
        ``pixel_values`` of (images, regions, 3, height, width), and the mask, bool (images, regions).

    Raises:
        ValueError: if shapes are others or disagree.

    Example:
        >>> pixels, mask = as_regions(torch.zeros(2, 3, 8, 8))
        >>> tuple(pixels.shape), tuple(mask.shape)
        ((2, 1, 3, 8, 8), (2, 1))
    """
    pixels = pixel_values.unsqueeze(1) if pixel_values.dim() == 4 else pixel_values
    if pixels.dim() != 5 or (region_mask is not None and region_mask.shape != pixels.shape[:2]):
        masked = "" if region_mask is None else f" with a region_mask of {tuple(region_mask.shape)}"
        raise ValueError(
            "pixel_values must be (images, 3, height, width) or (images, regions, 3, height, width), with a "
            f"region_mask of (images, regions), and is {tuple(pixel_values.shape)}{masked}."
        )
    if region_mask is None:
        return pixels, torch.ones(pixels.shape[:2], dtype=torch.bool, device=pixels.device)
    return pixels, region_mask.bool()


def see_regions(
    pixel_values: torch.Tensor, region_mask: torch.Tensor, see: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Encode the regions that the bool mask (images, regions) keeps; others would count in batch statistics.

    ``see`` makes (n, …) of n regions (n, 3, height, width).

    Returns:
        (images, regions, …), 0 where no region is.
    """
    seen = see(pixel_values[region_mask])  # (regions that are there, …)
    features = seen.new_zeros(*region_mask.shape, *seen.shape[1:])
    return features.index_put((region_mask,), seen)
