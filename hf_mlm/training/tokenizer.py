"""A small tokenizer from the training texts, for text encoders that start from scratch."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast


SPECIAL_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def learn_tokenizer(texts: Iterable[str], vocabulary_size: int, lowercase: bool = True) -> PreTrainedTokenizerFast:
    """Learn byte-pair pieces of words; the same texts give the same tokenizer in every process.

    Args:
        texts: to learn from.
        vocabulary_size: at most so many entries.
        lowercase: whether a word's case is left aside.

    Example:
        >>> tokenizer = learn_tokenizer(["Cork is a city", "Galway is a city"], 60)
        >>> tokenizer.convert_ids_to_tokens(tokenizer("a City")["input_ids"])
        ['[CLS]', 'a', 'city', '[SEP]']
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    lower = [normalizers.Lowercase()] if lowercase else []
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *lower])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = list(SPECIAL_TOKENS.values())
    trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL_TOKENS)
