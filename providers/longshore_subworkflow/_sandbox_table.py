"""What the sandbox had to choose because Subworkflow.ai does not document it, in one table."""

from __future__ import annotations

from longshore.sandbox import Assumption

__all__ = ["TABLE"]

_OPTION = "an option of the sandbox, no claim about the vendor"

TABLE = (
    # ---------------------------------------------------------------- options
    Assumption("api_key", "", "the only key that is accepted; empty: any non-empty one", _OPTION),
    Assumption(
        "walk",
        "IN_PROGRESS:0.15,SUCCESS",
        "how a job goes on by itself, with the seconds of each state",
        "not documented: transitions and times; new jobs are shown as IN_PROGRESS",
    ),
    Assumption("fail_names", "*fail*", "jobs of files with such a name end as ERROR", _OPTION),
    Assumption("pages", 2, "pages of every document", _OPTION),
    Assumption("credits", -1, "jobs before 402 is answered; -1: any number", _OPTION),
    Assumption("concurrent_jobs", 0, "unfinished jobs before 403 is answered; 0: any", _OPTION),
    Assumption(
        "documented_rates",
        False,
        "the rates of the plan Starter hold, where no others are set: 300 reads, 60 writes",
        _OPTION,
    ),
    Assumption(
        "reads_per_minute", 0, "GETs a minute before 429; 0: any number", "documented: 300 or 600"
    ),
    Assumption(
        "writes_per_minute",
        0,
        "other calls a minute before 429; 0: any number",
        "documented: 60 or 120; the vendor's newer client says 15",
    ),
    Assumption(
        "sessions_allowed", True, "the plan has upload sessions", "documented: not on Starter"
    ),
    Assumption(
        "plan_status",
        403,
        "status of start where the plan has no upload sessions",
        "not documented",
        choices=(400, 402, 403),
    ),
    # ---------------------------------------------------------------- contradictions
    Assumption(
        "session_path",
        "hyphen",
        "the path of the session calls: upload-session or upload_session",
        "contradictory: the documentation has the hyphen, the vendor's clients the underscore",
        choices=("hyphen", "underscore", "both"),
    ),
    Assumption(
        "expiry_field",
        "documented",
        "what start reads: expiryInDays (documented), expiresInDays (client), or both",
        "contradictory: documentation and the vendor's client",
        choices=("documented", "client", "both"),
    ),
    Assumption(
        "unknown_fields",
        "ignore",
        "what becomes of a form field that the call does not know",
        "not documented; unknown query keys are dropped",
        choices=("ignore", "refuse"),
    ),
    Assumption(
        "error_key",
        "error",
        "the field of an error's text",
        "documented: error; errors of the vendor's framework carry message",
        choices=("error", "message"),
    ),
    Assumption(
        "not_yet",
        "null",
        "how a time that has not come, or a text or size that is not there, is written",
        "contradictory: schemas and samples have null, 0 and empty text",
        choices=("null", "zero"),
    ),
    Assumption(
        "vectorize_type",
        "datasets/vectorize",
        "the type of the job of a vectorize upload",
        "contradictory: the vendor's tests expect datasets/extract",
        choices=("datasets/vectorize", "datasets/extract"),
    ),
    # ---------------------------------------------------------------- limits
    Assumption(
        "single_limit", 100_000_000, "bytes of a file in one request", "documented: 100 MB or MiB?"
    ),
    Assumption("session_limit", 5_000_000_000, "bytes of a session", "documented: 5 GB or GiB?"),
    Assumption(
        "part_minimum",
        5 * 2**20,
        "bytes of every part but the last; checked at end",
        "documented: 5 MB or MiB, not when it is checked",
    ),
    Assumption(
        "part_maximum",
        100_000_000,
        "bytes of a part; checked at append",
        "documented: 100 MB or MiB, not when it is checked",
    ),
    Assumption("parts_maximum", 10_000, "the highest part number", "not documented"),
    Assumption(
        "limit_status",
        400,
        "status of what is too large, too small or of a wrong format",
        "not documented; 400 and 404 are the only errors on any page",
        choices=(400, 413, 422),
    ),
    Assumption(
        "empty_file", "refuse", "an empty file", "not documented", choices=("refuse", "accept")
    ),
    Assumption(
        "longest_retention",
        365,
        "days; more is refused with 400, and a file without a wish is kept so long",
        "documented: the plan's maximum, not its number and not what more than it does",
    ),
    # ---------------------------------------------------------------- sessions
    Assumption(
        "append_twice",
        "replace",
        "a second part of the same number: the last one counts, or 400",
        "not documented: the storage behind it does so",
        choices=("replace", "reject"),
    ),
    Assumption(
        "equal_parts", True, "all parts but the last have one size", "the storage behind it asks so"
    ),
    Assumption(
        "end_order",
        "ascending",
        "the order of the parts at end",
        "not documented; the vendor's clients sort them, for its storage wants order",
        choices=("ascending", "any"),
    ),
    Assumption(
        "end_twice",
        "not_found",
        "a second end of one session: gone_status, or the same job again",
        "not documented",
        choices=("not_found", "same_job"),
    ),
    Assumption(
        "gone_status",
        404,
        "status of a call with a key that is not known (any more)",
        "not documented: every page has 400 and 404, none says when",
        choices=(400, 404),
    ),
    Assumption(
        "abort_gone",
        "not_found",
        "abort of a session that is unknown, ended or aborted",
        "not documented",
        choices=("not_found", "accept"),
    ),
    Assumption(
        "session_lifetime",
        604_800.0,
        "seconds after start for which a session lives; then its key is unknown",
        "not documented; the storage behind it gives incomplete uploads 7 days",
    ),
    # ---------------------------------------------------------------- jobs, share links
    Assumption("cancel_call", True, "DELETE /v1/jobs/:id is there", "it has no page of its own"),
    Assumption(
        "job_order",
        "newest_first",
        "the order of the list of jobs",
        "not documented; the README of the vendor's client says newest first",
        choices=("newest_first", "oldest_first", "by_id"),
    ),
    Assumption(
        "listed_after",
        0.0,
        "seconds until a new job is in the list",
        "not documented: that it is there at once",
    ),
    Assumption(
        "canceled_at",
        True,
        "a cancelled job has the time in canceledAt",
        "not documented; documented is only that it ends as ERROR",
    ),
    Assumption(
        "file_names",
        "kept",
        "fileName of a dataset: as it was sent, or rewritten: scan-a-1 for Scan A",
        "not documented: only that the ending is left out",
        choices=("kept", "altered"),
    ),
    Assumption(
        "sizes_told",
        "at_once",
        "fileSize of a dataset: from the start, or when its job has ended (not_yet until then)",
        "not documented",
        choices=("at_once", "at_end"),
    ),
    Assumption(
        "listed_for",
        86_400.0,
        "seconds for which an ended job stays in the list",
        "documented: 24 hours",
    ),
    Assumption(
        "share_status",
        403,
        "status of a share link with a wrong or expired token",
        "not documented",
        choices=(401, 403, 404, 410),
    ),
)
