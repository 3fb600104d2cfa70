"""What Plangrep does not document, or documents in two ways: the sandbox's choices.

The last group are options of the sandbox itself.
"""

from __future__ import annotations

from longshore.sandbox import Assumption

__all__ = ["TABLE"]

_NOT = "not documented"

_ERRORS = (
    Assumption(
        "error_shape",
        "flat",
        "where an error has `code` and `message`: at the top, or inside `error`",
        f"{_NOT}: the example on authentication is not at hand",
        choices=("flat", "nested"),
    ),
    Assumption("invalid_status", 400, "status of a bad field, header or body", _NOT),
    Assumption("missing_status", 404, "status of an unknown project, job or document", _NOT),
    Assumption("conflict_status", 409, "status of a call in the wrong state", _NOT),
    Assumption("limit_status", 413, "status when files or bytes of a job are too many", _NOT),
    Assumption("scope_status", 403, "status of a call whose scope the key lacks", _NOT),
    Assumption("short_status", 402, "status of a resume or a new project without credits", _NOT),
    Assumption(
        "unknown_fields",
        "refuse",
        "what becomes of a field that is not documented",
        _NOT,
        choices=("refuse", "ignore"),
    ),
)

_PROJECTS = (
    Assumption("project_provisioning", 0.02, "seconds until a project is ready", "1 to 2 minutes"),
    Assumption(
        "no_upgrade",
        "none",
        "how `upgradeStatus` says that no upgrade runs; `null` is JSON's",
        'documented in two ways: null in submit-a-job, "none" in get-project',
        choices=("none", "null"),
    ),
    Assumption("project_cost", 0.0, "credits that a project costs", "0 and 50 in examples"),
)

_JOBS = (
    Assumption(
        "job_provisioning",
        0.0,
        "seconds a job is `provisioning` after it was created",
        "documented in two ways: create-job says provisioning, submit-a-job awaiting_uploads",
    ),
    Assumption(
        "walk",
        "preflighting:0.03,processing:0.05,completed",
        "how a job goes on by itself after complete; its end may be another one",
        f"{_NOT}: times",
    ),
    Assumption(
        "completed_word",
        "completed",
        "the word for a job whose pages are all OK",
        "documented in two ways: one drawing on complete-uploads writes complete",
        choices=("completed", "complete"),
    ),
    Assumption("job_ttl", 604_800.0, "seconds until a job expires", "7 days in all examples"),
    Assumption(
        "after_expiry",
        "gone",
        "a job that ended, and its result, after the job's `expiresAt`: not to be had, or kept",
        "get-job-result says that neither is accessible; a profile has retentionDays of its own",
        choices=("gone", "kept"),
    ),
    Assumption(
        "cancel_takes",
        0.0,
        "seconds until a job that is being processed is cancelled",
        "the polling guide: it may take a while; not how long",
    ),
    Assumption("max_files", 100, "`limits.maxFiles` of a job", "production default, concepts/jobs"),
    Assumption(
        "max_declared_bytes",
        10_000_000_000,
        "`limits.maxDeclaredBytes` of a job",
        "production default, concepts/jobs",
    ),
    Assumption(
        "resume_status",
        "preflighting",
        "where a resumed job goes on",
        "documented in two ways: preflighting in the polling guide, processing in resume-job",
        choices=("preflighting", "processing"),
    ),
    Assumption(
        "file_ids",
        "own",
        "`files[].id` of a job: ids of their own, or the documentId",
        f"{_NOT}: examples show file_ here and doc_ at uploads",
        choices=("own", "document"),
    ),
    Assumption(
        "file_status",
        "words",
        "`files[].status` of a job: words like the job's own, or nothing",
        f"{_NOT}: examples show completed, processing, cancelled",
        choices=("words", "null"),
    ),
    Assumption("idempotency_window", 86_400.0, "seconds a key is known", f"{_NOT}: its length"),
    Assumption(
        "secret_always",
        False,
        "a job without webhookUrl gets a webhookSigningSecret, too",
        f"{_NOT}: only shown beside a webhookUrl",
    ),
    Assumption(
        "secret_on_replay",
        False,
        "a replayed create shows the secret again",
        f"{_NOT}; the page says that it is shown once",
    ),
)

_UPLOADS = (
    Assumption(
        "form_uploads",
        "ids",
        "what `uploads[]` of a form shows: only documentId, or partName and fileName too",
        f"{_NOT}: only documentId is",
        choices=("ids", "named"),
    ),
    Assumption(
        "form_status",
        "uploaded",
        "the status of a form's reply: stored, skipped (nothing is stored), or none at all",
        f"{_NOT}: the meaning of skipped, whether there are more words, the name of the field",
        choices=("uploaded", "skipped", "absent"),
    ),
    Assumption(
        "register_uploads",
        "ids",
        "whether `uploads[]` of a registration shows fileName",
        _NOT,
        choices=("ids", "named"),
    ),
    Assumption(
        "uploads_order",
        "same",
        "order of `uploads[]`; reversed only makes sense with names",
        _NOT,
        choices=("same", "reversed"),
    ),
    Assumption("multipart_above", 5_000_000_000, "bytes above which parts are used", "advice only"),
    Assumption("part_bytes", 64_000_000, "bytes of a part of a signed multipart upload", _NOT),
    Assumption("part_headers", False, "parts have headers of their own that must be sent", _NOT),
    Assumption("url_lifetime", 3600, "seconds a signed URL is good for", _NOT),
    Assumption("signed_fields_headers", "headers", "name of the header map", _NOT),
    Assumption("signed_fields_multipart_id", "multipartUploadId", "name of the upload's id", _NOT),
    Assumption("signed_fields_parts", "parts", "name of the list of parts", _NOT),
    Assumption("signed_fields_part_number", "partNumber", "name of a part's number", _NOT),
    Assumption("signed_fields_part_url", "uploadUrl", "name of a part's URL", _NOT),
    Assumption("signed_fields_range_start", "byteStart", "name of a part's first byte", _NOT),
    Assumption("signed_fields_range_end", "byteEnd", "name of a part's last byte", _NOT),
    Assumption("signed_fields_range_end_inclusive", True, "the end is the last byte itself", _NOT),
    Assumption(
        "left_out",
        "refuse",
        "a document that complete does not account for: refused, or dropped from the job",
        _NOT,
        choices=("refuse", "drop"),
    ),
    Assumption(
        "failed_record",
        "document_id",
        "what a record of failedUploads is known by: documentId, or something else (all refused)",
        f"{_NOT}: the fields of the record",
        choices=("document_id", "other"),
    ),
    Assumption(
        "mismatch",
        "fail_document",
        "a form file whose bytes differ from its sha256: the document fails, or the form",
        f"{_NOT}: upload-files only says that the digest is verified",
        choices=("fail_document", "refuse"),
    ),
)

_RESULTS = (
    Assumption(
        "evidence_owner",
        "documentId",
        "how a piece of evidence names its document",
        f"{_NOT}: the full table of its fields is not at hand",
        choices=("documentId", "fileName", "none"),
    ),
    Assumption(
        "artifact_links",
        "job",
        "what a result's artifacts link to: the job's artifact route, or a download good once",
        f"{_NOT}: which call gives out the tokens of get-artifact-download",
        choices=("job", "download"),
    ),
)

_OPTIONS = (
    Assumption(
        "requests_per_minute",
        0,
        "calls a minute before 429; 0: any number",
        f"{_NOT}: that there are limits is, but no number",
    ),
    Assumption("api_key", "", "the only key that is good; empty: any", "option"),
    Assumption(
        "scopes",
        "jobs:read jobs:write artifacts:read",
        "what the key may do; calls about projects need none",
        f"option; authentication names these three, and {_NOT}: any for projects",
    ),
    Assumption("project_id", "", "a project that exists and is ready from the start", "option"),
    Assumption("credits", 1_000_000.0, "credits of the account at the start", "option"),
    Assumption("failing", "*fail*", "files of these names fail", "option"),
    Assumption("blocked", "*blocked*", "files of these names block their job once", "option"),
)

TABLE = _ERRORS + _PROJECTS + _JOBS + _UPLOADS + _RESULTS + _OPTIONS
