"""Where the bytes of documents come from: local files, and whatever fsspec can reach."""

from __future__ import annotations

from longshore.sources._open import OpenDocument, digest_of, open_document
from longshore.sources._remote import Found, RemoteFile, describe, find_remote, is_remote

__all__ = [
    "Found", "OpenDocument", "RemoteFile", "describe", "digest_of", "find_remote", "is_remote",
    "open_document",
]  # fmt: skip
