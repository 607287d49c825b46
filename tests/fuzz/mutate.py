"""Damage bytes in ways that a seed decides."""

import numpy as np

__all__ = ["mutate"]

# Lengths, counts and offsets at the limits of integer types.
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
TEXTS = (
    b"\x00",
    b"\n",
    b",",
    b'"',
    b"-1",
    b"nan",
    b"1e999",
    b"../",
    b"/",
    b"\xff\xfe",
    b"[",
    b"{",
    b"&a",
    b"*a",
    b": ",
)


def mutate(data: bytes, *, seed: int) -> bytes:
    """Return `data` with one to six changes: bits, numbers, pieces cut out, repeated, moved or cut off."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for _ in range(rng.integers(1, 7)):
        size = len(changed)
        at = int(rng.integers(0, size + 1))
        length = int(rng.integers(1, 33))
        match int(rng.integers(0, 7)):
            case 0 if size:
                changed[at % size] ^= 1 << int(rng.integers(0, 8))
            case 1:
                number = NUMBERS[int(rng.integers(0, len(NUMBERS)))]
                width = int(rng.choice([1, 2, 4, 8]))
                order = "little" if rng.random() < 0.5 else "big"
                changed[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, order)
            case 2:
                changed[at:at] = TEXTS[int(rng.integers(0, len(TEXTS)))] * int(rng.choice([1, 1, 1, 50]))
            case 3:
                del changed[at : at + length]
            case 4:
                changed[at:at] = changed[at : at + length] * int(rng.integers(1, 5))
            case 5 if rng.random() < 0.3:
                del changed[at:]
            case _:
                changed[at : at + length] = rng.bytes(length)
    return bytes(changed)
