"""Seeded hashes of ids: every choice that the world makes depends on these alone, never on order or process."""

from __future__ import annotations

import hashlib

import numpy as np


def hashed(ids: np.ndarray, purpose: str, seed: int = 0) -> np.ndarray:
    """Hash integer ids to 64 well-mixed bits (the finalizer of SplitMix64).

    Args:
        ids: integers of any shape.
        purpose: names the choice, so that two choices about one id are independent.
        seed: another seed gives another, equally good hash.

    Returns:
        uint64 array of the same shape.

    Example:
        >>> hashed(np.array([1, 2]), "split").tolist()
        [16055770560832250836, 6713161347913287453]
    """
    salt = hashlib.blake2b(f"{purpose}:{seed}".encode(), digest_size=8).digest()
    bits = np.asarray(ids).astype(np.uint64) ^ np.uint64(int.from_bytes(salt, "little"))
    with np.errstate(over="ignore"):
        bits = bits + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def uniform(ids: np.ndarray, purpose: str, seed: int = 0) -> np.ndarray:
    """Hash integer ids to float64 numbers in the open interval (0, 1); arguments as in ``hashed``."""
    return ((hashed(ids, purpose, seed) >> np.uint64(12)) + 0.5) / 2.0**52
