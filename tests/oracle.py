"""A deterministic stand-in for the network: logits from integer arithmetic alone, so traces hold on any machine.

All arithmetic is on unsigned 64-bit integers.  With splitmix64's step as `mix`, the neighbourhood of position i is
hashed as h = mix(...mix(mix(mix(seed) ^ i) ^ t[i-2])... ^ t[i+2]), where ids beyond the canvas count as `vocab`, and
each vocabulary entry v takes r = mix(h ^ v).  Its logit is (r mod (32 gain + 1)) / 16 - gain, plus
((37 v + (h >> 58)) mod 64) / 1024, plus bias[v].  For at most 64 entries all values are exact in float32 and no two
entries of a position tie.
"""

from collections.abc import Mapping

import numpy as np
from numpy import ndarray

_U = np.uint64


def mix(z: ndarray) -> ndarray:
    z = z + _U(0x9E3779B97F4A7C15)
    z = (z ^ (z >> _U(30))) * _U(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> _U(27))) * _U(0x94D049BB133111EB)
    return z ^ (z >> _U(31))


def oracle(ids: ndarray, *, seed: int, vocab: int, gain: int, bias: Mapping[str, float] | None = None) -> ndarray:
    """Token ids `(batch, length)` to float32 logits `(batch, length, vocab)`."""
    batch, length = ids.shape
    padded = np.full((batch, length + 4), vocab, _U)
    padded[:, 2:-2] = ids
    around = mix(mix(np.full((batch, length), seed, _U)) ^ np.arange(length, dtype=_U))
    for offset in range(5):
        around = mix(around ^ padded[:, offset : offset + length])
    entries = np.arange(vocab, dtype=_U)
    coarse = (mix(around[..., None] ^ entries) % _U(32 * gain + 1)).astype(np.int64)
    fine = ((_U(37) * entries + (around >> _U(58))[..., None]) % _U(64)).astype(np.int64)
    logits = coarse / 16 - gain + fine / 1024
    for token, value in (bias or {}).items():
        logits[..., int(token)] += value
    return logits.astype(np.float32)
