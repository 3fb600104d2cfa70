"""The settings of a Subworkflow.ai target."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from longshore.provider import ByteSize, ProviderSettings

__all__ = ["LARGEST_PART", "SMALLEST_PART", "SubworkflowSettings"]

SMALLEST_PART = 5 * 2**20
"""The vendor says 5 MB; 5 MiB satisfies that by either reading."""

LARGEST_PART = 100_000_000
"""The vendor says 100 MB; the decimal reading is the smaller one."""

_LARGEST_POST = 100 * 2**20  # the vendor's own client posts up to this in one request


class SubworkflowSettings(ProviderSettings):
    """How to reach Subworkflow.ai, and what it shall do with a document.

    Attributes:
        base_url: without ``/v1``.
        job_type: ``extract`` splits and indexes; ``vectorize`` adds what a search needs.
        expires_in_days: how long the vendor keeps the dataset; -1: for ever; None: as long as
            the plan allows. 0 is refused here: the vendor's sources contradict each other on it.
        expiry_field: how ``start`` is told that: ``documented`` is ``expiryInDays``, ``client`` is
            ``expiresInDays``, as the vendor's own client has it, ``both`` sends the two.
        session_threshold: a document of at most so many bytes goes in one POST, a larger one
            through an upload session. Sessions need the Standard or Enterprise plan.
        part_size: bytes of a part of a session; all parts but the last have this size. None: 10
            MiB, as the vendor's own clients, and more where that made over a hundred parts.
        session_path: ``hyphen`` is the documented ``/v1/upload-session``; ``underscore`` is
            ``/v1/upload_session``, which the vendor's own clients call.
        resend_parts: send a part again when its answer was lost. Nobody documents that this is
            safe; without it a lost answer costs a fresh session.
    """

    base_url: str = "https://api.subworkflow.ai"
    job_type: Literal["extract", "vectorize"] = "extract"
    expires_in_days: int | None = None
    expiry_field: Literal["documented", "client", "both"] = "both"
    session_threshold: ByteSize = 100_000_000
    part_size: ByteSize | None = None
    session_path: Literal["hyphen", "underscore"] = "hyphen"
    resend_parts: bool = False

    @field_validator("expires_in_days")
    @classmethod
    def _days(cls, days: int | None) -> int | None:
        if days is not None and days != -1 and days < 1:
            raise ValueError("give a number of days from 1, or -1 to keep it for ever")
        return days

    @field_validator("session_threshold")
    @classmethod
    def _fits_one_post(cls, size: int) -> int:
        if not 0 <= size <= _LARGEST_POST:
            raise ValueError("one POST takes at most 100 MiB")
        return size

    @field_validator("part_size")
    @classmethod
    def _fits_a_part(cls, size: int | None) -> int | None:
        if size is not None and not SMALLEST_PART <= size <= LARGEST_PART:
            raise ValueError("a part has from 5 MiB to 100 MB")
        return size

    @property
    def expiry_fields(self) -> tuple[str, ...]:
        """The names under which ``start`` is told how long to keep the dataset.

        Assumption: a field that the vendor does not know is ignored; if not, the refusal comes
        before the first byte. A single name that it does not read would silently keep the document
        for as long as the plan allows, so both is the default.
        Source: docs.subworkflow.ai/api-reference/upload-session/post-v1-upload-session-start has
        ``expiryInDays``, which the vendor's client calls a slip.
        """
        names = {"documented": ("expiryInDays",), "client": ("expiresInDays",)}
        return names.get(self.expiry_field, ("expiryInDays", "expiresInDays"))

    @property
    def session_url(self) -> str:
        """The path under which the four session calls are."""
        return "/v1/upload-session" if self.session_path == "hyphen" else "/v1/upload_session"
