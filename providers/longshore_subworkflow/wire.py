"""The JSON that Subworkflow.ai sends.

Fields that are not named here are ignored; what a flow keeps as ``raw`` is the reply as it came.

Source: docs.subworkflow.ai/api-reference/get-v1-jobs-id, .../get-v1-datasets-id,
.../get-v1-datasets-id-items and the pages under .../upload-session.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from longshore.provider import VendorTimes

__all__ = [
    "PAGE",
    "AppendReply",
    "Dataset",
    "DatasetList",
    "DatasetReply",
    "Item",
    "ItemList",
    "JobList",
    "JobRecord",
    "JobReply",
    "StartReply",
]  # fmt: skip


PAGE = 100
"""The most entries that a list gives at once. Source: .../get-v1-datasets, -id-items; for jobs the
README of the vendor's client."""


def _moment(value: object) -> float | None:
    """Read a time in milliseconds; the vendor's "not yet" is null, 0 or ""."""
    try:
        return float(value) or None  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def _text(value: object) -> str | None:
    return str(value) if value else None


Moment = Annotated[float | None, BeforeValidator(_moment)]
"""Milliseconds since the epoch. Source: the samples of every page; the schema and the samples
disagree on null and 0, so both mean "not yet"."""

Text = Annotated[str | None, BeforeValidator(_text)]
"""A text that may be null or empty."""


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        defer_build=True,  # most commands need no model of this vendor
    )


# ------------------------------------------------------------------------------------- jobs


class JobRecord(_Wire):
    """A job. Its ``type`` is not read: vectorize jobs were seen under the name of extract."""

    id: Annotated[str, Field(min_length=1)]
    dataset_id: Text = None
    status: str = ""
    status_text: Text = None
    created_at: Moment = None
    started_at: Moment = None
    finished_at: Moment = None
    canceled_at: Moment = None

    @property
    def times(self) -> VendorTimes:
        """When it was made, begun and ended."""
        moments = (self.created_at, self.started_at, self.finished_at)
        return VendorTimes.of(*(moment / 1000 if moment else None for moment in moments))


class JobReply(_Wire):
    """The answer of extract, vectorize, ``end``, job and cancel."""

    data: JobRecord


class JobList(_Wire):
    """The answer of the job list; it has no ``success``, unlike all others."""

    data: tuple[JobRecord, ...]


# ---------------------------------------------------------------------------------- sessions


class _Started(_Wire):
    key: Annotated[str, Field(min_length=1)]


class StartReply(_Wire):
    """The answer of ``start``: the key that every later call needs and nobody can ask for."""

    data: _Started


class _Appended(_Wire):
    etag: Annotated[str, Field(min_length=1)]
    part_number: int | None = None


class AppendReply(_Wire):
    """The answer of ``append``; the ETag is opaque and goes back as it came."""

    data: _Appended


# ---------------------------------------------------------------------------------- datasets


class Share(_Wire):
    """A link to the bytes of something; it carries its own token and needs no key."""

    url: Text = None
    expires_at: Moment = None


class Dataset(_Wire):
    """What a document becomes; ``file_name`` is without its ending."""

    id: Text = None
    file_name: str = ""
    file_ext: str = ""
    file_size: int | None = None
    item_count: int | None = None
    mime_type: Text = None
    created_at: Moment = None

    @property
    def whole_name(self) -> str | None:
        """The name put together again: the vendor keeps it without its ending."""
        ending = f".{self.file_ext}" if self.file_ext else ""
        return f"{self.file_name}{ending}" if self.file_name else None


class DatasetReply(_Wire):
    """The answer of one dataset."""

    data: Dataset


class DatasetList(_Wire):
    """The answer of the list of datasets."""

    data: tuple[Dataset, ...]


class Item(_Wire):
    """One page (``col``) of a dataset in one form (``row``: pdf, jpg, embedding_image)."""

    id: str = ""
    col: int | None = None
    row: str = ""
    share: Share | None = None


class ItemList(_Wire):
    """The answer of a dataset's items."""

    data: tuple[Item, ...]
