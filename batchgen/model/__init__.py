"""Frozen data that every layer shares; nothing here does input or output."""

from batchgen.model.attempt import NEXT, OPEN, Basis, State, Status
from batchgen.model.capabilities import (
    PIXELS_AT_1K,
    RESOLUTIONS,
    Capabilities,
    pixel_size,
)
from batchgen.model.exchange import (
    Accepted,
    Blob,
    Call,
    Delivered,
    Endpoint,
    Json,
    Link,
    Reply,
    Running,
)
from batchgen.model.job import Job, OnUnknown, Terms
from batchgen.model.price import (
    NANO,
    Price,
    PriceList,
    dollars,
    find_price,
    to_nano,
    to_usd,
)
from batchgen.model.request import ImageRequest, OptionValue, type_of_option
from batchgen.model.result import FileRecord, ResultRow

__all__ = [
    "NANO",
    "NEXT",
    "OPEN",
    "PIXELS_AT_1K",
    "RESOLUTIONS",
    "Accepted",
    "Basis",
    "Blob",
    "Call",
    "Capabilities",
    "Delivered",
    "Endpoint",
    "FileRecord",
    "ImageRequest",
    "Job",
    "Json",
    "Link",
    "OnUnknown",
    "OptionValue",
    "Price",
    "PriceList",
    "Reply",
    "ResultRow",
    "Running",
    "State",
    "Status",
    "Terms",
    "dollars",
    "find_price",
    "pixel_size",
    "to_nano",
    "to_usd",
    "type_of_option",
]
