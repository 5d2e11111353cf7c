"""Quote the words of a command for a shell."""

from __future__ import annotations

import os
import shlex
from itertools import groupby

from batchgen.addresses.characters import visible


def quoted_word(text: str) -> str:
    """Quote a text for sh, with control characters as octal bytes.

    A terminal obeys no such text, and the pasted command still runs as it was meant.
    """
    visible_text = visible(text)
    if visible_text == text:
        return shlex.quote(text)
    pieces = []
    for is_visible, characters in groupby(text, lambda char: visible(char) == char):
        piece = "".join(characters)
        if is_visible:
            pieces.append(shlex.quote(piece))
        else:
            octal = "".join(f"\\{byte:03o}" for byte in os.fsencode(piece))
            pieces.append(f"\"$(printf '{octal}')\"")
    return "".join(pieces)
