"""Small real documents, made from a few lines: PDF, TIFF and GeoJSON, always the same bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

__all__ = ["geojson", "pdf", "scan_pdf", "tiff"]

_A4 = (595, 842)
_ROW = bytes(range(256))


def pdf(*pages: str) -> bytes:
    """Return a PDF with a line of text on each page."""
    texts = pages or ("Longshore",)
    page_ids = [4 + 2 * index for index in range(len(texts))]
    kids = " ".join(f"{id} 0 R" for id in page_ids)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for id, text in zip(page_ids, texts, strict=True):
        objects.append(_page(id + 1, "/Font << /F1 3 0 R >>"))
        objects.append(_stream(f"BT /F1 24 Tf 72 742 Td ({_escaped(text)}) Tj ET".encode()))
    return _pdf(objects)


def scan_pdf(width: int, height: int) -> bytes:
    """Return a PDF of one page that is a grey image: a scan, of ``width * height`` bytes."""
    image = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} "
        "/ColorSpace /DeviceGray /BitsPerComponent 8"
    )
    return _pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            _page(4, "/XObject << /Im1 5 0 R >>"),
            _stream(f"{_A4[0]} 0 0 {_A4[1]} 0 0 cm /Im1 Do".encode()),
            _stream(_grey(width * height), image),
        ]
    )


def _page(content: int, resources: str) -> bytes:
    box = f"[0 0 {_A4[0]} {_A4[1]}]"
    return (
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} "
        f"/Resources << {resources} >> /Contents {content} 0 R >>"
    ).encode()


def _stream(data: bytes, entries: str = "") -> bytes:
    head = f"<< {entries} /Length {len(data)} >>".replace("<<  ", "<< ").encode()
    return head + b"\nstream\n" + data + b"\nendstream"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _pdf(objects: Iterable[bytes]) -> bytes:
    """Number the objects and add the table of their places."""
    parts, places, length = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"], [], 15
    for number, content in enumerate(objects, 1):
        places.append(length)
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, content))
        length += len(parts[-1])
    count = len(places) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n%b" % (count, table))
    parts.append(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % count)
    parts.append(b"startxref\n%d\n%%%%EOF\n" % length)
    return b"".join(parts)


def tiff(width: int, height: int) -> bytes:
    """Return a grey TIFF of ``width * height`` bytes, uncompressed, in one strip."""
    entries = (
        (256, 3, width),  # ImageWidth
        (257, 3, height),  # ImageLength
        (258, 3, 8),  # BitsPerSample
        (259, 3, 1),  # Compression: none
        (262, 3, 1),  # PhotometricInterpretation: black is zero
        (273, 4, 8 + 2 + 9 * 12 + 4),  # StripOffsets: after this directory
        (277, 3, 1),  # SamplesPerPixel
        (278, 3, height),  # RowsPerStrip
        (279, 4, width * height),  # StripByteCounts
    )
    rows = b"".join(
        struct.pack("<HHII" if kind == 4 else "<HHIHxx", tag, kind, 1, value)
        for tag, kind, value in entries
    )
    directory = struct.pack("<H", len(entries)) + rows + struct.pack("<I", 0)
    return b"II*\x00" + struct.pack("<I", 8) + directory + _grey(width * height)


def _grey(size: int) -> bytes:
    return (_ROW * (size // len(_ROW) + 1))[:size]


def geojson(*places: tuple[str, float, float]) -> bytes:
    """Return a GeoJSON collection of named points (longitude, latitude)."""
    features = [
        {
            "type": "Feature",
            "properties": {"name": name},
            "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        }
        for name, longitude, latitude in places
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()
