"""Where the bytes of documents come from: local files, and whatever fsspec can reach."""

from __future__ import annotations

from longshore.sources._open import SMALL, OpenDocument, digest_of, is_small, open_document
from longshore.sources._remote import Found, RemoteFile, describe, find_remote, is_remote

__all__ = [
    "SMALL", "Found", "OpenDocument", "RemoteFile", "describe", "digest_of", "find_remote",
    "is_remote", "is_small", "open_document",
]  # fmt: skip
