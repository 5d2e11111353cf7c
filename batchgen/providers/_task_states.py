"""The words by which services say how a task stands."""

from __future__ import annotations

# Documented by one provider or another, seen by its clients, or in common use at
# gateways. A word in none of these lists does not tell an end by itself: links do, or
# an error.
SUCCESS_STATES = frozenset(
    {
        *("completed", "complete", "success", "succeeded", "successful", "finished"),
        *("done", "ok", "ready"),
    }
)
FAILURE_STATES = frozenset(
    {
        *("failed", "failure", "fail", "cancelled", "canceled", "error", "errored"),
        *("timeout", "timed_out", "timedout", "expired", "rejected", "refused"),
        *("aborted", "terminated", "blocked", "moderated", "content_moderated"),
        *("request_moderated", "stopped", "revoked", "dead", "invalid", "crashed"),
    }
)
PENDING_STATES = frozenset(
    {
        *("pending", "processing", "submitted", "queued", "queueing", "in_queue"),
        *("in_progress", "running", "started", "starting", "waiting", "created"),
        *("accepted", "generating", "scheduled", "throttled", "retrying", "init"),
        *("initializing", "not_started", "preparing", "uploading", "working"),
    }
)
