"""Split a row's message into the text of batchgen and that of the provider.

Only text from the provider may be shown in quotation marks. The ledger has a message as
one text. So the kind of the error decides, and for kinds with messages of both, the
phrases with which batchgen's messages begin.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from batchgen import errors

INVALID = "invalid"
"""The kind of rows that cannot run: nothing was sent for them."""


def kind_of(error: type[errors.AttemptError]) -> str:
    """Return the kind of an error class, as it stands in the result table."""
    return error("", "").kind


OWN_KINDS = frozenset(
    {
        INVALID,
        *map(
            kind_of,
            (
                errors.CertificateRejected,
                errors.ImageRejected,
                errors.Incomplete,
                errors.Internal,
                errors.LinkLost,
                errors.LinksUnreachable,
                errors.NotConnected,
                errors.ProxyRejected,
                errors.ReferenceRejected,
                errors.Superseded,
                errors.TaskOverdue,
                errors.Unreachable,
                errors.UnusableReplies,
                errors.WrongAddress,
            ),
        ),
    }
)
"""Kinds whose messages batchgen writes itself: only what follows one of the phrases of
`_OWN_BEGINNING` is quoted."""

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
"""Beginnings of messages that batchgen wrote as a whole."""

_OWN_BEGINNING = re.compile(
    r"(?:no such model, or wrong base URL: |an answer without an image; |no task id; "
    r"|no image in it; |the prompt was blocked: |finish reason: |no answer to a poll; "
    r"|asked again and again, with nothing else: |model '[^']*': "
    r"|the image is too large to be uploaded; |an upload without a link; "
    r"|a web page: |upload not taken: |the link no longer downloads, and its task: )+"
)
"""Phrases that batchgen puts before the provider's text."""

_KEPT_SUFFIX = re.compile(r"; kept as kept/\S+$")
"""What batchgen adds to a message if it kept the reply as a file."""


class MessageParts(NamedTuple):
    """A message in three parts, which together are the whole message.

    Attributes:
        quote: The provider's text; empty if batchgen wrote the whole message.
    """

    before: str
    quote: str
    after: str


def split_message(error: str | None, message: str | None) -> MessageParts:
    """Split a message into batchgen's text and the provider's.

    Args:
        error: The kind of the error. A message without a kind counts as batchgen's:
            only what is surely the provider's is quoted.
        message: The message, as the ledger and the table have it.
    """
    text = message or ""
    beginning = _OWN_BEGINNING.match(text)
    start = beginning.end() if beginning else 0
    is_own = error is None or (error in OWN_KINDS and not beginning)
    if is_own or _OWN_MESSAGE.match(text, start):
        return MessageParts(text, "", "")
    suffix = _KEPT_SUFFIX.search(text, start)
    end = suffix.start() if suffix else len(text)
    return MessageParts(text[:start], text[start:end], text[end:])
