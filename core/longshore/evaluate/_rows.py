"""What is measured of one document at one target in one round: flat, with stable types.

A row goes as it is into CSV and JSON Lines, and from there into Parquet or a data frame. Figures
that belong to a vendor's job (``batch_*`` says how many documents share it) stand in the row of
each of its documents: sum them over distinct ``batch_id``.
"""

from __future__ import annotations

from longshore._model import Frozen

__all__ = ["Row"]


class Row(Frozen):
    """One document at one target in one round. Times are seconds, sizes bytes.

    Attributes:
        comparison: which comparison.
        round: from 1; ``--repeat`` makes more.
        target: the name that was typed.
        provider: the provider's name.
        document: number of the document, the same for every target and round, from 1.
        path: as the user gave it.
        name: as the vendor was told.
        size: bytes.
        media_type: as the vendor was told.
        sha256: of the content; None where it was not computed.
        run_id: the run, for ``longshore status``.
        batch_id: the submission; None where the plan refused the document.
        batch_documents: how many documents share the submission.
        vendor_job_id: the vendor's job.
        vendor_document_id: the vendor's id for the document.
        outcome: what became of it.
        vendor_status: the vendor's own word.
        error_kind: the stable word for what went wrong.
        error_message: in words.
        started_at: when its first request began, since the epoch.
        seconds_waiting: before that, in our own queue.
        seconds_to_accepted: from the first request until the vendor had a job.
        seconds_to_done: from the first request until a poll said that the job is over.
        seconds_sending: while bytes of the submission were on their way.
        vendor_seconds_queued: from the making of the job to its begin, by the vendor's clock.
        vendor_seconds_processing: from its begin to its end, by the vendor's clock.
        vendor_seconds_total: from its making to its end, by the vendor's clock.
        interrupted: this program was not running for some of the time; no figure counts the times.
        parts: transfers that carried the document.
        bytes_sent: bytes of documents that the submission sent, repetitions included.
        bytes_per_second: of the submission, while it was sent.
        requests: of the submission, polls included.
        retries: of the submission.
        throttled: answers 429.
        client_errors: other answers 4xx.
        server_errors: answers 5xx.
        not_sent: tries that did not reach the vendor.
        lost_answers: requests whose answer was lost.
        results: ``fetched``, ``none`` (nothing for this document), ``not_offered``, ``failed``,
            or "" where there is no job that could have any.
        results_note: why there are none.
        result_bytes: the job's raw reply, as JSON.
        pages: pages of the document.
        fields: named values.
        texts: pieces of text.
        characters: in those pieces.
        tables: tables.
        artifacts: things to fetch.
        warnings: what the vendor warns of.
        usage_pages: pages that the vendor counted for the job.
        usage_credits: credits that the vendor debited for the job.
        usage: what the vendor said it counted for the job, as JSON.
    """

    comparison: str
    round: int
    target: str
    provider: str
    document: int
    path: str
    name: str
    size: int
    media_type: str
    sha256: str | None = None
    run_id: str = ""
    batch_id: str | None = None
    batch_documents: int = 0
    vendor_job_id: str | None = None
    vendor_document_id: str | None = None
    outcome: str = "running"
    vendor_status: str | None = None
    error_kind: str | None = None
    error_message: str | None = None
    started_at: float | None = None
    seconds_waiting: float | None = None
    seconds_to_accepted: float | None = None
    seconds_to_done: float | None = None
    seconds_sending: float | None = None
    vendor_seconds_queued: float | None = None
    vendor_seconds_processing: float | None = None
    vendor_seconds_total: float | None = None
    interrupted: bool = False
    parts: int = 0
    bytes_sent: int = 0
    bytes_per_second: float | None = None
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    client_errors: int = 0
    server_errors: int = 0
    not_sent: int = 0
    lost_answers: int = 0
    results: str = ""
    results_note: str | None = None
    result_bytes: int | None = None
    pages: int | None = None
    fields: int | None = None
    texts: int | None = None
    characters: int | None = None
    tables: int | None = None
    artifacts: int | None = None
    warnings: int | None = None
    usage_pages: int | None = None
    usage_credits: float | None = None
    usage: str | None = None

    @property
    def taken(self) -> bool:
        """True when the target's limits let the document go."""
        return self.outcome not in ("refused", "skipped")

    @property
    def timed(self) -> bool:
        """True when its times say something about the vendor."""
        return self.outcome in ("succeeded", "partial") and not self.interrupted
