"""A strict reader of `multipart/form-data`. Parts are slices of the body: nothing is copied.

Follows RFC 7578, RFC 2046 section 5.1.1, and for names the encoding that browsers use: UTF-8 in
which a quote, CR and LF are percent-encoded and nothing else is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from longshore.sandbox._blob import Blob

MAX_HEAD = 16 << 10
MAX_TEXT = 16 << 20
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_PARAMETER = re.compile(r';[ \t]*([A-Za-z*]+)=(?:"([^"\r\n]*)"|([^\s";]+))')


class BadForm(ValueError):
    """The body is not a well-formed form."""


@dataclass(frozen=True)
class FormPart:
    """One field of a form; a file if `filename` is not None."""

    name: str
    filename: str | None
    content_type: str
    blob: Blob

    def text(self) -> str:
        """Return the value as text.

        Raises:
            BadForm: it is not UTF-8, or too large to be a text field.
        """
        if self.blob.size > MAX_TEXT:
            raise BadForm(f"the field {self.name!r} is too large for a text field")
        try:
            return self.blob.read().decode()
        except UnicodeDecodeError:
            raise BadForm(f"the field {self.name!r} is not UTF-8") from None


class Form(tuple[FormPart, ...]):
    """The fields of a form in the order in which they came."""

    __slots__ = ()

    def named(self, name: str) -> tuple[FormPart, ...]:
        """Return all fields of that name."""
        return tuple(part for part in self if part.name == name)

    def files(self, name: str | None = None) -> tuple[FormPart, ...]:
        """Return the file fields, or those of one name."""
        return tuple(
            part
            for part in self
            if part.filename is not None and (name is None or part.name == name)
        )

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return the text of the field of that name, or `default` if there is none.

        Raises:
            BadForm: the field came twice, or is a file, or is not UTF-8.
        """
        found = self.named(name)
        if len(found) > 1 or any(part.filename is not None for part in found):
            raise BadForm(f"expected one text field {name!r}")
        return next((part.text() for part in found), default)


def parse_form(content_type: str, body: Blob) -> Form:
    """Split a body into its fields.

    Args:
        content_type: the header with its `boundary` parameter.
        body: the whole body.

    Raises:
        BadForm: any deviation from the grammar; the message says which.
    """
    boundary = _boundary(content_type)
    first = b"--" + boundary
    if body.read(0, len(first)) != first:
        raise BadForm("the body does not begin with the boundary of the Content-Type header")
    parts: list[FormPart] = []
    at = len(first)
    while not _is_last(body, at):
        start = at + 2
        end = body.find(b"\r\n" + first, start - 2)
        if end < 0:
            raise BadForm("the closing boundary is missing")
        parts.append(_part(body, start, end))
        at = end + 2 + len(first)
    if body.read(at + 2, 3) not in (b"", b"\r\n"):
        raise BadForm("there are bytes after the closing boundary")
    return Form(parts)


def _boundary(content_type: str) -> bytes:
    _, _, tail = content_type.partition(";")
    for name, quoted, token in _PARAMETER.findall(";" + tail):
        if name.lower() == "boundary":
            value = quoted or token
            if _BOUNDARY.fullmatch(value):
                return str(value).encode()
            raise BadForm("the boundary has characters or a length that RFC 2046 does not allow")
    raise BadForm("the Content-Type header has no boundary")


def _is_last(body: Blob, at: int) -> bool:
    """Tell whether the boundary that ends at `at` is the closing one."""
    after = body.read(at, 2)
    if after not in (b"--", b"\r\n"):
        raise BadForm("a boundary is followed by something else than CRLF or --")
    return after == b"--"


def _part(body: Blob, start: int, end: int) -> FormPart:
    head = body.read(start, min(MAX_HEAD, max(0, end - start)) + 4)
    size = head.find(b"\r\n\r\n")
    if size < 0 or start + size + 4 > end + 2:
        raise BadForm("a part has no end of its headers, or headers that are too long")
    content = start + size + 4
    headers = dict(_header(line) for line in head[:size].split(b"\r\n"))
    name, filename = _disposition(headers.get("content-disposition", ""))
    kind = headers.get("content-type", "" if filename is None else "application/octet-stream")
    return FormPart(name, filename, kind, body.slice(content, max(0, end - content)))


def _header(line: bytes) -> tuple[str, str]:
    try:
        name, colon, value = line.decode().partition(":")
    except UnicodeDecodeError:
        raise BadForm("a header of a part is not UTF-8") from None
    if not colon or not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise BadForm("a part has a line among its headers that is no header")
    return name.lower(), value.strip(" \t")


def _disposition(value: str) -> tuple[str, str | None]:
    kind, semicolon, tail = value.partition(";")
    if kind.strip().lower() != "form-data":
        raise BadForm("a part has no Content-Disposition: form-data")
    found: dict[str, str] = {}
    at, text = 0, semicolon + tail
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None or match[1].lower() in found:
            raise BadForm("a Content-Disposition cannot be read")
        found[match[1].lower()] = match[2] if match[2] is not None else match[3]
        at = match.end()
    if "filename*" in found:
        raise BadForm("filename* is not allowed in a form (RFC 7578 section 4.2)")
    if "name" not in found:
        raise BadForm("a part has no name")
    filename = found.get("filename")
    return decode_name(found["name"]), None if filename is None else decode_name(filename)


def decode_name(text: str) -> str:
    """Undo what browsers do to a field's name: only the quote, CR and LF are encoded."""
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
