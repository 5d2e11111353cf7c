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
    from batchgen.errors import ProviderStopped
    from batchgen.ledger import Ledger, Reader
    from batchgen.providers.base import Endpoint

DIGEST_BYTES = 4


class Proof:
    """What has worked at one provider's address with one key.

    Args:
        ledger: Holds what earlier runs proved.
        provider: Its registered name.
        endpoint: Address and key.
    """

    def __init__(self, ledger: Reader, provider: str, endpoint: Endpoint) -> None:
        self._address = (provider, endpoint.base_url)
        self._key = endpoint.key.encode()
        self._salt = ledger.meta.salt
        recorded = ledger.meta.models_that_worked(*self._address)
        digest = self._salt and self._digest(self._salt)
        self._models = {model for model, value in recorded.items() if value == digest}
        self._earlier = frozenset(self._models)

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
        salt = ledger.meta.salt
        if salt is None:
            salt = ledger.meta.salt = secrets.token_bytes(16)
        ledger.meta.set_model_worked(*self._address, model, self._digest(salt))

    def add(self, model: str) -> None:
        """Count on it from now on that a model works."""
        self._models.add(model)
