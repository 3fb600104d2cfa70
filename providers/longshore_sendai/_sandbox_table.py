"""What the vendor does not document, or documents in two ways: the sandbox's choices.

The last group are options of the sandbox itself.
"""

from __future__ import annotations

from longshore.sandbox import Assumption

__all__ = ["TABLE"]

_SPELLINGS = "documented in two ways"

_DIALECT = (
    Assumption(
        "path_prefix",
        "project",
        "under which paths the calls are: /v2/{team}/project/{project}/upload, /v2/{team}/upload, "
        "or /api/v1/uploads; the last two take the project from the form alone",
        "contradictory: the reference pages, projects/import/api, the samples of upload.create",
        choices=("project", "team", "v1"),
    ),
    Assumption(
        "create_status",
        200,
        "status of a create that worked",
        "not documented: the samples only test for 2xx",
        choices=(200, 201, 202),
    ),
    Assumption(
        "create_envelope",
        False,
        "the reply to a create is wrapped in `payload` and in snake_case, as all others are",
        f"{_SPELLINGS}: upload.create shows a bare object in camelCase, upload.get an envelope",
    ),
    Assumption(
        "create_case",
        "lower",
        "case of the status in the reply to a create",
        f"{_SPELLINGS}: `processing` in upload.create, upper case everywhere else",
        choices=("lower", "upper"),
    ),
    Assumption(
        "review_word",
        "IN_REVIEW",
        "the status of an upload whose tasks wait for review",
        f"{_SPELLINGS}: REVIEWING in uploads/overview, IN_REVIEW in upload.get",
        choices=("IN_REVIEW", "REVIEWING"),
    ),
    Assumption(
        "tasks_in_upload",
        False,
        "the reply to a get of an upload names its tasks (id, name, status)",
        "contradictory: uploads/overview says that it shows all tasks, upload.get shows none",
    ),
    Assumption(
        "tasks_place",
        "tasks",
        "where an upload names its tasks, if it does: a list `tasks`, or one inside `files`",
        "not documented: the inner shape of `files`",
        choices=("tasks", "files"),
    ),
    Assumption(
        "task_names",
        "file",
        "what a task is called: its file's name, or a title (Document 1)",
        f"{_SPELLINGS}: a file's name in upload.create, a title in task.get",
        choices=("file", "title"),
    ),
    Assumption(
        "task_prefix",
        "task_",
        "how task ids begin",
        f"{_SPELLINGS}: `task_` in task.get, `tsk_` in notifications/payloads",
        choices=("task_", "tsk_"),
    ),
    Assumption(
        "error_body",
        "message",
        "where an error reply has its words; `nested` is {error: {message}}",
        "not documented: only the status numbers are",
        choices=("message", "error", "detail", "nested", "text"),
    ),
)

_RULES = (
    Assumption(
        "project_field",
        "optional",
        "whether the form must hold `projectId`; one that differs from the path is refused",
        f"{_SPELLINGS}: required in the table of upload.create, absent from its example",
        choices=("optional", "required"),
    ),
    Assumption(
        "unknown_fields",
        "refuse",
        "what becomes of a form field that is not documented (400)",
        "not documented",
        choices=("refuse", "ignore"),
    ),
    Assumption(
        "max_file_bytes",
        40_000_000,
        "bytes of a file above which the answer is 413",
        "projects/import/api says 40 MB without defining MB",
    ),
    Assumption(
        "max_files",
        100,
        "files of an upload above which the answer is 400",
        "projects/import/api gives the number, no page the status",
    ),
    Assumption(
        "aggregation",
        "running_first",
        "an upload's status when its tasks' states mix. running_first: PROCESSING, then "
        "REVIEWING, then FAILED if all failed, PARTIAL if some, COMPLETED; failure_first: FAILED "
        "or PARTIAL as soon as one failed; no_partial: as the first, with FAILED for PARTIAL",
        "not documented: which word wins; PARTIAL is in uploads/overview only",
        choices=("running_first", "failure_first", "no_partial"),
    ),
    Assumption(
        "complete_wrong_state",
        400,
        "status of a complete for a task that is not REVIEWING; 200 leaves it as it is",
        "task.complete allows it from REVIEWING only and does not say what happens else",
        choices=(200, 400, 409),
    ),
    Assumption(
        "unlock_wrong_state",
        400,
        "status of an unlock for a task that is not finished; 200 leaves it as it is",
        "not documented; nor is that an unlocked task is REVIEWING again",
        choices=(200, 400, 409),
    ),
    Assumption(
        "report_status",
        200,
        "status of a report; 207 means that a part of it failed",
        "task.report's sample accepts 207 beside 2xx, without a body",
        choices=(200, 207),
    ),
    Assumption(
        "email_tasks",
        True,
        "a file `*.eml` becomes one task for its body and one for each attachment",
        "uploads/overview says so; projects/import/email says that a setting decides",
    ),
)

_OPTIONS = (
    Assumption(
        "requests_per_minute",
        0,
        "calls a minute before 429; 0: any number",
        "not documented: projects/import/api says that a team has rate limits, not which",
    ),
    Assumption(
        "walk",
        "PROCESSING:0.05,COMPLETED",
        "how a task goes on by itself",
        "not documented: times",
    ),
    Assumption("review", "*review*", "files whose task ends in REVIEWING", "sandbox option"),
    Assumption("fail", "*fail*", "files whose task ends in FAILED", "sandbox option"),
    Assumption("filter", "*filtered*", "files whose task ends in FILTERED", "sandbox option"),
    Assumption(
        "invalid",
        "*invalid*",
        "files whose task needs review again after a complete",
        "sandbox option; task.complete validates, what follows a failure is not documented",
    ),
    Assumption("api_key", "", "the only key that is taken; empty: any", "sandbox option"),
    Assumption(
        "scopes",
        "upload.create upload.read task.read task.edit",
        "what the key may do (api/scopes; projects/import/api spells some of them otherwise)",
        "sandbox option",
    ),
    Assumption("team_id", "", "the only team (else 403); empty: any", "sandbox option"),
    Assumption("project_id", "", "the only project (else 403); empty: any", "sandbox option"),
    Assumption(
        "import_via_api",
        True,
        "the project's switch 'Allow import via API'; off: 403",
        "projects/import/api; the status is inferred from upload.create",
    ),
)

TABLE = _DIALECT + _RULES + _OPTIONS
