"""What Subworkflow.ai takes, how often it may be asked, and what a user should know of it."""

from __future__ import annotations

from longshore.provider import Capabilities, Limits, PartRule, PollSchedule, Rate
from longshore_subworkflow.settings import LARGEST_PART, SMALLEST_PART, SubworkflowSettings

__all__ = ["capabilities_of"]

LIMITS = Limits(
    documents_per_batch=1,
    bytes_per_document=5_000_000_000,
    min_bytes_per_document=1,
    extensions=frozenset({".pdf", ".docx", ".pptx", ".xlsx"}),
)
"""Formats: docs.subworkflow.ai/api-reference/post-v1-extract. 5 GB through a session:
.../upload-session/post-v1-upload-session. Assumption: an empty file is refused, for it is none of
the formats."""

RATE = Rate(requests=60, seconds=60.0)
READ_RATE = Rate(requests=300, seconds=60.0)
"""Starter: 60 writes and 300 reads a minute, counted apart (docs.subworkflow.ai/platform). A higher
plan allows more: ``requests_per_minute`` replaces both. The vendor's newer client speaks of 15
writes: a 429 comes before anything is done, so it costs only time."""

POLLS = PollSchedule(floor=0.0, interval=2.0, longest=30.0)
"""A job may be asked about continuously (docs.subworkflow.ai/api-reference/get-v1-jobs-id); the
vendor's own clients do so every one or two seconds."""

_PART = 10 * 2**20
_AIM = 100

BEHAVIOURS = (
    "One document makes one job and one dataset.",
    "Documents above session_threshold need an upload session: Standard or Enterprise plan.",
    "Starter takes files of up to 50 MB.",
    "What a repeated part does is not documented.",
    "A lost answer to a part costs a fresh session, unless resend_parts is set.",
    "A job whose answer was lost is looked up among the recent ones by name, size and time.",
    "It stays unknown when more than one job may be meant, or one of another name or no size.",
    "It stays unknown after 24 hours: ended jobs leave the list.",
    "At most 60 writes and 300 reads a minute (plan Starter): see requests_per_minute.",
    "403 also means too many concurrent jobs; it stops the target, and the run can be resumed.",
    "A cancelled job ends with the vendor's word ERROR.",
    "Links to results hold for ten minutes.",
)


def capabilities_of(settings: SubworkflowSettings) -> Capabilities:
    """Return what holds for these settings.

    Part sizes: .../upload-session/post-v1-upload-session, where large ones are for good lines
    only: they grow just so far that a document's session fits the writes of a minute (120 on the
    plan Standard, the least that has sessions). Four parts at once is what the vendor's own
    clients send. Assumption: at most 10,000 parts, all but the last of one size, as the
    storage behind it asks.
    """
    return Capabilities(
        limits=LIMITS,
        parts=PartRule(
            above=settings.session_threshold,
            default=settings.part_size or _PART,
            minimum=SMALLEST_PART,
            maximum=LARGEST_PART,
            count=10_000,
            aim=_AIM if settings.part_size is None else None,
        ),
        rate=RATE,
        read_rate=READ_RATE,
        polls=POLLS,
        concurrency=4,
        behaviours=BEHAVIOURS,
    )
