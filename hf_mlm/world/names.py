"""Invented people and companies, named as their language names them (package faker)."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from hf_mlm.world.sources import require


LOCALES = {"en": "en_GB", "de": "de_DE", "fr": "fr_FR", "es": "es_ES"}
POOL_SIZE = 300
_DRAWS = 3000


class NamePool(NamedTuple):
    """Names of one language to choose from, the same in every process with the same version of faker."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    suffixes: tuple[str, ...]  # what a company has after its name, "GmbH"


@cache
def name_pool(language: str) -> NamePool:
    """Draw the names of a language.

    Args:
        language: a key of ``LOCALES``.

    Raises:
        ImportError: faker is not installed.
    """
    require("faker", "faker")
    from faker import Faker

    fake = Faker(LOCALES[language])
    fake.seed_instance(0)
    draws = ([draw() for _ in range(_DRAWS)] for draw in (fake.first_name, fake.last_name, fake.company_suffix))
    return NamePool(*(tuple(dict.fromkeys(names))[:POOL_SIZE] for names in draws))
