"""Words of a command as they can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
from itertools import groupby

from batchgen.addresses.characters import visible


def quoted_word(text: str) -> str:
    """Quote a text for sh; what a terminal would obey is written by its bytes.

    So the command that is shown is the one that runs, and can be pasted.
    """
    visible_text = visible(text)
    if visible_text == text:
        return shlex.quote(text)
    pieces = []
    for is_seen, characters in groupby(text, lambda sign: visible(sign) == sign):
        piece = "".join(characters)
        if is_seen:
            pieces.append(shlex.quote(piece))
        else:
            octal = "".join(f"\\{byte:03o}" for byte in os.fsencode(piece))
            pieces.append(f"\"$(printf '{octal}')\"")
    return "".join(pieces)
