"""Every error that Longshore raises on purpose.

    LongshoreError
    ├── UsageError                 the call itself is wrong
    │   └── ConfigurationError     settings, longshore.toml, environment, secrets
    │       └── UnknownTarget
    ├── PluginError                a provider cannot be loaded or used
    │   └── IncompatibleState      the journal was written by another state_version
    ├── JournalError               the durable record cannot be used
    │   ├── RunNotFound
    │   ├── RunInUse               another process executes this run
    │   ├── StaleEpoch             another executor took this batch over
    │   └── ClaimTaken             the vendor job belongs to another batch
    ├── AccountError               the account cannot go on: the target stops, no document fails
    │   ├── Unauthorized           401
    │   ├── PaymentRequired        402
    │   ├── Forbidden              403
    │   └── VendorUnavailable      no answer after all retries, or asked to come back later
    ├── DocumentError              one document cannot go
    │   ├── DocumentRefused        by the plan, before the first byte
    │   ├── SourceMissing
    │   ├── SourceUnreadable
    │   └── SourceChanged
    └── BatchError                 one batch cannot go on
        ├── RequestRefused         a 4xx that is about this batch
        ├── ProtocolError          a reply that cannot be used
        ├── SessionLost            the session is of no use any more: a fresh one is needed
        ├── WaitExpired            a Wait reached its limit
        ├── ResumeMismatch         the flow asks for something else than before the interruption
        ├── CancelledByUser        somebody asked for it before the vendor had a job
        └── UnknownOutcome         nobody can tell whether the vendor acted

``kind`` is the stable word for scripts (``error.kind`` in ``--json``), ``hint`` the next step.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AccountError", "BatchError", "CancelledByUser", "ClaimTaken", "ConfigurationError",
    "DocumentError", "DocumentRefused", "Forbidden", "IncompatibleState", "JournalError",
    "LongshoreError", "PaymentRequired", "PluginError", "ProtocolError", "RequestRefused",
    "ResumeMismatch", "RunInUse", "RunNotFound", "SessionLost", "SourceChanged",
    "SourceMissing", "SourceUnreadable", "StaleEpoch", "Unauthorized", "UnknownOutcome",
    "UnknownTarget", "UsageError", "VendorUnavailable", "WaitExpired",
]  # fmt: skip


_LONGEST = 4000


class LongshoreError(Exception):
    """The root of the tree.

    Attributes:
        message: one line, without secrets; cut after 4,000 characters, as all its texts.
        hint: what to do next, or "".
        status: the HTTP status that caused it, if one did.
        code: the vendor's own error code, if it gave one.
        abandon: the ``Session`` that ``start`` had begun and that is to be given back.
    """

    kind: ClassVar[str] = "error"
    abandon: object = None

    def __init__(
        self, message: str, *, hint: str = "", status: int | None = None, code: str = ""
    ) -> None:
        super().__init__(_sound(message))
        self.message = _sound(message)
        self.hint = _sound(hint)
        self.status = status
        self.code = _sound(code)


def _sound(text: str) -> str:
    """Cut a text to a length that can be stored and printed, as a vendor's words may not have.

    Half a surrogate is replaced: it could be neither stored nor printed.
    """
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class UsageError(LongshoreError):
    """The call itself is wrong: a missing file, an impossible option."""

    kind = "usage"


class ConfigurationError(UsageError):
    """A setting is missing, malformed or contradicts another one."""

    kind = "configuration"


class UnknownTarget(ConfigurationError):
    """No target and no provider has this name."""

    kind = "unknown_target"


class PluginError(LongshoreError):
    """A provider cannot be loaded, or breaks its contract."""

    kind = "plugin"


class IncompatibleState(PluginError):
    """The run was written by another ``state_version`` of its provider."""

    kind = "incompatible_state"


class JournalError(LongshoreError):
    """The durable record cannot be read or written."""

    kind = "journal"


class RunNotFound(JournalError):
    """The journal holds no run of this id, or no such batch."""

    kind = "run_not_found"


class RunInUse(JournalError):
    """Another process executes this run."""

    kind = "run_in_use"


class StaleEpoch(JournalError):
    """A newer executor took the batch over; this one must not write any more."""

    kind = "stale_epoch"


class ClaimTaken(JournalError):
    """The vendor's job id belongs to another batch: one vendor job, one batch."""

    kind = "claim_taken"


class AccountError(LongshoreError):
    """The account, not a document, is in trouble: the target stops and can be resumed."""

    kind = "account"


class Unauthorized(AccountError):
    """401: the key is missing, unknown, revoked or expired."""

    kind = "unauthorized"


class PaymentRequired(AccountError):
    """402: the account has no credits left."""

    kind = "payment_required"


class Forbidden(AccountError):
    """403: the key may not do this."""

    kind = "forbidden"


class VendorUnavailable(AccountError):
    """The vendor did not answer, or asked to come back later, until the retries were used up.

    Attributes:
        retry_after: seconds the vendor asked for, if it did.
        connected: False when not even a connection could be made.
    """

    kind = "vendor_unavailable"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        connected: bool = True,
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.retry_after = retry_after
        self.connected = connected


class DocumentError(LongshoreError):
    """One document cannot go; the others do.

    Attributes:
        document: the id of the document, where it has one already.
        sent: the vendor may have acted upon a request that carries it.
    """

    kind = "document"
    sent = False

    def __init__(self, message: str, *, document: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.document = document


class DocumentRefused(DocumentError):
    """The plan refuses the document before its first byte is sent."""

    kind = "refused"


class SourceMissing(DocumentError):
    """The file is not there (any more)."""

    kind = "source_missing"


class SourceUnreadable(DocumentError):
    """The file cannot be opened or read."""

    kind = "source_unreadable"


class SourceChanged(DocumentError):
    """The file is not the one that was planned."""

    kind = "source_changed"


class BatchError(LongshoreError):
    """One batch cannot go on; the others do."""

    kind = "batch"


class RequestRefused(BatchError):
    """The vendor refused a request for a reason that lies in this batch."""

    kind = "request_refused"


class ProtocolError(BatchError):
    """A reply that cannot be used; the message shows what came, redacted."""

    kind = "protocol"


class SessionLost(BatchError):
    """The vendor's session is gone, or its URLs are: the driver starts a fresh one."""

    kind = "session_lost"


class WaitExpired(BatchError):
    """A ``Wait`` of the flow reached its limit."""

    kind = "wait_expired"


class ResumeMismatch(BatchError):
    """The request differs from the one that was journalled under the same step."""

    kind = "resume_mismatch"


class CancelledByUser(BatchError):
    """Somebody asked to cancel the batch before the vendor had a job for it."""

    kind = "cancelled"


class UnknownOutcome(BatchError):
    """Nobody can tell whether the vendor acted; nothing is sent again."""

    kind = "unknown_outcome"
