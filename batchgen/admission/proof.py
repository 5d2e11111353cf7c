"""What has worked: a provider's address, key and model, over all runs of a folder.

Before anything has worked, a wrong key is the likeliest cause of a refusal; afterwards
it is the row. The key itself is written nowhere: a few bits of a salted digest only say
whether it is still the same one.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import TYPE_CHECKING

from batchgen.limits import ROWS_AT_FIRST, ROWS_LATER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchgen.errors import ProviderStopped
    from batchgen.ledger import Ledger, Reader
    from batchgen.model import Endpoint

SALT = "salt"
DIGEST_BYTES = 4

FIRST_ANSWER_S = 3.0
"""Where nothing has worked yet, the others wait for the first answer, at most so long:
a wrong key then costs two or three requests, not one for each slot."""


class Proof:
    """What has worked at one provider's address with one key.

    Args:
        ledger: Holds what earlier runs proved.
        provider: Its registered name.
        endpoint: Address and key.
    """

    def __init__(self, ledger: Reader, provider: str, endpoint: Endpoint) -> None:
        self._name = f"worked {provider} {endpoint.base_url} "
        self._key = endpoint.key.encode()
        self._salt = ledger.get(SALT)
        recorded = ledger.run("meta_under", {"under": self._name})
        self._models = self._models_in({row["name"]: row["value"] for row in recorded})
        self._earlier = frozenset(self._models)

    def _models_in(self, recorded: Mapping[str, object]) -> set[str]:
        if not isinstance(self._salt, bytes):
            return set()
        digest = self._digest(self._salt)
        names = (name for name, value in recorded.items() if value == digest)
        return {name.removeprefix(self._name) for name in names}

    def _digest(self, salt: bytes) -> bytes:
        return blake2b(self._key, key=salt, digest_size=DIGEST_BYTES).digest()

    def holds_for(self, model: str) -> bool:
        """Say whether a purchase of this model has worked with this key."""
        return model in self._models

    def held_before(self, model: str) -> bool:
        """Say the same of earlier runs alone."""
        return model in self._earlier

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all has worked with this key."""
        return not self._models

    def rows_needed(self, error: ProviderStopped, model: str) -> int:
        """Return how many different rows must meet an error before it stops all."""
        if error.concerns_all:
            return 1
        if error.is_certain:
            return 1 if self.is_empty else ROWS_LATER
        return ROWS_LATER if self.holds_for(model) else ROWS_AT_FIRST

    def record(self, ledger: Ledger, model: str) -> None:
        """Write down that a model worked; a step of a commit."""
        salt = ledger.get(SALT)
        if not isinstance(salt, bytes):
            salt = secrets.token_bytes(16)
            ledger.put(SALT, salt)
        ledger.put(f"{self._name}{model}", self._digest(salt))

    def add(self, model: str) -> None:
        """Count on it from now on that a model works."""
        self._models.add(model)
