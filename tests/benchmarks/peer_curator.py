"""Let curator ask for texts: `PYTHON peer_curator.py URL MANIFEST IN_FLIGHT`.

Run by an interpreter that has it, which need not have batchgen.
"""

from __future__ import annotations

import csv
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def main(url: str, manifest: str, in_flight: int) -> None:
    """Ask, one request a row, without a limit of the rate."""
    with Path(manifest).open() as file:
        prompts = [row["prompt"] for row in csv.DictReader(file)]
    curator: Any = import_module("bespokelabs.curator")
    model = curator.LLM(
        # Its encoding of tokens is one that comes with a package.
        model_name="gpt-3.5-turbo",
        backend="openai",
        backend_params={
            "base_url": url,
            "api_key": "key-of-the-benchmark",
            "max_concurrent_requests": in_flight,
            "max_requests_per_minute": 10**9,
            "max_tokens_per_minute": 10**12,
        },
    )
    with TemporaryDirectory() as folder:
        answers = model(prompts, working_dir=folder)
    assert len(answers.dataset) == len(prompts)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
