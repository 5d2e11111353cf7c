"""Every error of batchgen.

    BatchgenError
    ├── SpecError            fix the job, the manifest or the command
    │   └── UsageError       fix the command line, or consent
    ├── BudgetReached        stop cleanly: the next request could pass the budget
    │   ├── DayFull          the budget of the UTC day
    │   ├── DayTooSmall      the same, and no other day has a larger one
    │   └── GroupsFull       the budgets of some values of a column
    ├── NearlyAllFailed      stop cleanly: the job itself seems wrong
    ├── StorageError         stop at once
    │   ├── DiskFull
    │   ├── LedgerLocked
    │   ├── LedgerMissing    the purchases are there, but not their ledger
    │   ├── LedgerMismatch   newer version, other SOURCE, rehearsal and real run mixed
    │   └── ArchiveDamaged
    └── AttemptError         one attempt ended without its images
        ├── Retryable
        │   ├── Throttled         429: surely rejected unprocessed
        │   ├── NotConnected      nothing was sent
        │   ├── ProviderDown      5xx or a JSON error before anything was accepted
        │   ├── GenerationFailed  the provider tried and failed
        │   ├── NoImage           an answer without an image
        │   ├── UploadLost        the provider cannot fetch a reference that we uploaded
        │   └── Incomplete        a poll or a download that broke off
        ├── OutcomeUnknown   sent, and no usable reply came: may be charged
        ├── Permanent        the same request would fail again
        │   ├── Refused           content policy
        │   ├── RequestInvalid
        │   ├── ReplyMalformed    outside the provider's protocol
        │   ├── ImageRejected     what was delivered is no usable image
        │   ├── TaskLost          the provider does not know the task (any more)
        │   ├── TaskOverdue       not finished at its deadline
        │   ├── ReferenceRejected a reference image cannot be used; nothing was bought
        │   ├── LinkLost          paid for, and can no longer be downloaded
        │   ├── Superseded        paid for, and another attempt brought it first
        │   └── Internal          a fault of batchgen in the work for this row
        └── ProviderStopped  this provider is done for this run; rows stay pending
            ├── CredentialRejected
            ├── OutOfCredit
            ├── QuotaReached     the day's quota is used up
            ├── ModelGone
            ├── WrongAddress     a web page or a redirect where the API should answer
            ├── UnusableReplies  row after row ended without anything usable
            ├── Unreachable      never once reached in this run
            ├── LinksUnreachable the host of its images does not answer
            ├── CertificateRejected  the server's cannot be trusted; nothing was sent
            └── ProxyRejected    the proxy refuses to forward requests; nothing was sent

Code that handles an error looks at its branch and attributes, never at a provider's
codes. Each error states two things: the charge, and whether to buy again.
"""

from __future__ import annotations

from batchgen.errors.attempt_errors import (
    Again,
    AttemptError,
    CertificateRejected,
    Charge,
    CredentialRejected,
    GenerationFailed,
    ImageRejected,
    Incomplete,
    Internal,
    LinkLost,
    LinksUnreachable,
    ModelGone,
    NoImage,
    NotConnected,
    OutcomeUnknown,
    OutOfCredit,
    Permanent,
    ProviderDown,
    ProviderStopped,
    ProxyRejected,
    QuotaReached,
    ReferenceRejected,
    Refused,
    ReplyMalformed,
    RequestInvalid,
    Retryable,
    Superseded,
    TaskLost,
    TaskOverdue,
    Throttled,
    Unreachable,
    UnusableReplies,
    UploadLost,
    WrongAddress,
)
from batchgen.errors.run_errors import (
    ArchiveDamaged,
    BatchgenError,
    BudgetReached,
    DayFull,
    DayTooSmall,
    DiskFull,
    GroupsFull,
    LedgerLocked,
    LedgerMismatch,
    LedgerMissing,
    NearlyAllFailed,
    SpecError,
    StorageError,
    UsageError,
    ledger_remedy,
)

__all__ = [
    "Again",
    "ArchiveDamaged",
    "AttemptError",
    "BatchgenError",
    "BudgetReached",
    "CertificateRejected",
    "Charge",
    "CredentialRejected",
    "DayFull",
    "DayTooSmall",
    "DiskFull",
    "GenerationFailed",
    "GroupsFull",
    "ImageRejected",
    "Incomplete",
    "Internal",
    "LedgerLocked",
    "LedgerMismatch",
    "LedgerMissing",
    "LinkLost",
    "LinksUnreachable",
    "ModelGone",
    "NearlyAllFailed",
    "NoImage",
    "NotConnected",
    "OutOfCredit",
    "OutcomeUnknown",
    "Permanent",
    "ProviderDown",
    "ProviderStopped",
    "ProxyRejected",
    "QuotaReached",
    "ReferenceRejected",
    "Refused",
    "ReplyMalformed",
    "RequestInvalid",
    "Retryable",
    "SpecError",
    "StorageError",
    "Superseded",
    "TaskLost",
    "TaskOverdue",
    "Throttled",
    "Unreachable",
    "UnusableReplies",
    "UploadLost",
    "UsageError",
    "WrongAddress",
    "ledger_remedy",
]
