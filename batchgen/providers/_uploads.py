"""Read the reply to an upload: shared by the providers that store references."""

from __future__ import annotations

from dataclasses import replace

from batchgen.errors import (
    AttemptError,
    Charge,
    CredentialRejected,
    OutOfCredit,
    ReplyMalformed,
    RequestInvalid,
)
from batchgen.model import Json, Link, Reply
from batchgen.providers._decoding import (
    link,
    message_and_codes,
    message_of,
)
from batchgen.providers._reasons import (
    blames_account,
    blames_key,
    lacks_credit,
)
from batchgen.providers._reply_errors import error_by_status
from batchgen.providers._stated_errors import stated_status


def upload_link(provider: str, reply: Reply, place: Json) -> Link:
    """Return where an uploaded image is now: the link at `place` in the reply.

    Raises:
        AttemptError: it was not accepted; an upload buys nothing.
    """
    message = message_of(reply.body)
    if reply.status == 413:
        text = f"the image is too large to be uploaded; {message}"
        raise RequestInvalid(provider, text)
    image_link = link(place)
    is_usable = image_link is not None and image_link.url.lower().startswith("http")
    if 200 <= reply.status < 300 and not is_usable:
        # Some state an error's status in the body alone.
        reply = replace(reply, status=stated_status(reply.body) or reply.status)
    if not 200 <= reply.status < 300:
        raise _upload_error(provider, reply, message)
    if image_link is None or not is_usable:
        text = f"an upload without a link; {message}"
        raise ReplyMalformed(provider, text, Charge.NONE)
    return image_link


def _upload_error(provider: str, reply: Reply, message: str) -> AttemptError:
    """Return why an image was not accepted; a failed upload is free."""
    text = f"{message}; {message_and_codes(reply.body)}"
    if isinstance(reply.body, dict) and lacks_credit(text):
        return OutOfCredit(provider, message)
    is_about_key = blames_account(text) or blames_key(text)
    if isinstance(reply.body, dict) and reply.status in (400, 403) and is_about_key:
        return CredentialRejected(provider, message)
    return error_by_status(provider, reply, message, failures_are_free=True)
