"""The check of a file's first bytes against its ending. Source: ingest/validation.py (v1.14.2)."""

from __future__ import annotations

from longshore.sandbox import Blob

__all__ = ["content_problem"]

_HEAD = 8192
_MAGIC = (
    (b"PK\x03\x04", ".zip"),
    (b"PK\x05\x06", ".zip"),
    (b"SQLite format 3\x00", ".gpkg"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"II+\x00", ".tif"),
    (b"MM\x00+", ".tif"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".xls"),
    (b"GIF8", ".gif"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"%PDF-", ".pdf"),
)
_TAKEN = {
    ".zip": {".zip"},
    ".gpkg": {".gpkg"},
    ".geojson": {".json"},
    ".json": {".json"},
    ".csv": {"", ".json"},
    ".tif": {".tif"},
    ".tiff": {".tif"},
    ".xlsx": {".zip"},
    ".xls": {".xls"},
}


def content_problem(extension: str, blob: Blob) -> str:
    """Say why the bytes are not what the ending says; "" when they are."""
    if not blob.size:
        return "The uploaded file is empty."
    if extension == ".parquet":
        whole = blob.read(0, 4) == b"PAR1" and blob.read(max(0, blob.size - 4)) == b"PAR1"
        return "" if whole else "The file is not a Parquet file: PAR1 is missing."
    found = _detect(blob.read(0, _HEAD))
    if found in _TAKEN.get(extension, {found}):
        return ""
    return (
        f"File content detected as '{found or 'unknown'}' but extension is '{extension}'. "
        "Please upload with the correct extension."
    )


def _detect(head: bytes) -> str:
    for magic, extension in _MAGIC:
        if head.startswith(magic):
            return extension
    return ".json" if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[") else ""
