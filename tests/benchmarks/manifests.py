"""Manifests for benchmarks."""

from __future__ import annotations

import random
from pathlib import Path

PROMPT_CHARACTERS = 200
WORDS = "photo of a red apple on old wood in soft morning light with linen and steam"


def write_manifest(path: Path, rows: int, characters: int = PROMPT_CHARACTERS) -> Path:
    """Write a CSV of ids and prompts that all differ."""
    words = WORDS.split()
    rng = random.Random(1)
    text = " ".join(rng.choice(words) for _ in range(characters))[: characters - 8]
    with path.open("w") as file:
        file.write("id,prompt\n")
        file.writelines(f"sku-{index:07},{index:07} {text}\n" for index in range(rows))
    return path
