"""Whose words a row's message is: the provider's, batchgen's, or both in one text.

Only words that came from the provider may stand in quotation marks. The ledger keeps a
message as one text, so the kind of its error decides, and for the kinds that both speak
of, the phrases with which batchgen's own messages begin.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from batchgen.errors import (
    CertificateRejected,
    ImageRejected,
    Incomplete,
    Internal,
    LinkLost,
    LinksUnreachable,
    NotConnected,
    ProxyRejected,
    ReferenceRejected,
    Superseded,
    TaskOverdue,
    Unreachable,
    UnusableReplies,
    WrongAddress,
)

INVALID = "invalid"
"""The kind of a row that cannot run: no provider was asked."""

OWN_KINDS = frozenset(
    {
        INVALID,
        *(
            kind("", "").kind
            for kind in (
                CertificateRejected,
                ImageRejected,
                Incomplete,
                Internal,
                LinkLost,
                LinksUnreachable,
                NotConnected,
                ProxyRejected,
                ReferenceRejected,
                Superseded,
                TaskOverdue,
                Unreachable,
                UnusableReplies,
                WrongAddress,
            )
        ),
    }
)
"""Kinds whose messages batchgen writes itself: of them only that is quoted which
batchgen introduces as an answer."""

_OWN_MESSAGE = re.compile(
    r"(?:no usable reply from |no connection to |download from "
    r"|a reply without an image; |HTTP \d{3} also where "
    r"|a task that cannot be read; |completed without a result$"
    r"|the task ended as |code 0 without a link; |no balance in its reply: "
    r"|it has no tasks, |the URL cannot be used: |the header \S+ would hold "
    r"|status \d+ in a reply with status |no candidates$"
    r"|unexpected \w+(?:: .*)?; run\.log has the details"
    r"|keys: |an array of \d+$|an empty body$)",
)
"""How messages begin that are batchgen's own to their end."""

_OWN_BEGINNING = re.compile(
    r"(?:no such model, or wrong base URL: |an answer without an image; |no task id; "
    r"|no image in it; |the prompt was blocked: |finish reason: |no answer to a poll; "
    r"|asked again and again, with nothing else: |model '[^']*': "
    r"|the image is too large to be uploaded; |an upload without a link; "
    r"|a web page: |upload not taken: |the link no longer downloads, and its task: )+"
)
"""What batchgen says before it repeats the provider's words."""

_KEPT = re.compile(r"; kept as kept/\S+$")
"""What batchgen adds to a message whose reply it kept as a file."""


class MessageParts(NamedTuple):
    """A message in three pieces, which together are the whole message.

    Attributes:
        quote: The provider's own words; empty where all is batchgen's.
    """

    before: str
    quote: str
    after: str


def split_message(error: str | None, message: str | None) -> MessageParts:
    """Split a message into batchgen's words and the provider's.

    Args:
        error: Kind of the error, as the ledger and the table have it. A message without
            a kind is batchgen's: what is not surely the provider's is not quoted.
        message: As the ledger and the table have it.
    """
    text = message or ""
    beginning = _OWN_BEGINNING.match(text)
    start = beginning.end() if beginning else 0
    is_own = error is None or (error in OWN_KINDS and not beginning)
    if is_own or _OWN_MESSAGE.match(text, start):
        return MessageParts(text, "", "")
    kept_part = _KEPT.search(text, start)
    end = kept_part.start() if kept_part else len(text)
    return MessageParts(text[:start], text[start:end], text[end:])


def quotes_provider(error: str | None, message: str | None) -> bool:
    """Say whether a message holds words of the provider, which may be quoted."""
    return bool(split_message(error, message).quote)
