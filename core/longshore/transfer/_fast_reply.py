"""A strict, bounded reader of HTTP/1.1 replies (RFC 9112).

It takes less than the standard allows a client to take: where two readers could disagree about
where a reply ends (two lengths, a length and a coding, folded lines, bare line feeds), it is no
reply, and its connection is not used again.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from longshore.errors import ProtocolError
from longshore.provider import Headers

__all__ = ["MOST_HEAD", "SLOWEST", "Malformed", "Reply", "too_large"]

MOST_HEAD = 64 << 10
"""Bytes of all that is not content: heads, interim ones too, chunk extensions and trailers."""

SLOWEST = 10
"""Time-outs that an answer may take in all: each bit that comes in time begins the next one."""

_MOST_LINE = 4096
_NONE = Headers()
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*|[\t ]*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNKED = re.compile(r"chunked", re.I | re.ASCII)


class Malformed(Exception):
    """What came is no reply, or not surely one."""


def too_large(most: int, status: int) -> ProtocolError:
    """Make the error for a reply with more content than is taken."""
    return ProtocolError(f"the reply is larger than {most:,} bytes", status=status)


class Reply:
    """One reply, made of the bytes that come.

    Args:
        method: of the request; the reply to HEAD has no content.
        most: bytes of content that are taken.

    Attributes:
        status: 0 until the head is there.
        reason: the phrase after it.
        fields: the header, as text.
        body: the content so far, without chunk lines.
        done: all of it is there.
        keep: its connection may carry another request.
        started: at least one byte came.
    """

    def __init__(self, method: bytes, most: int) -> None:
        self.status = 0
        self.reason = b""
        self.fields = _NONE
        self.body = bytearray()
        self.done = False
        self.keep = False
        self.started = False
        self._bare = method == b"HEAD"
        self._most = most
        self._spare = MOST_HEAD
        self._buffer = bytearray()
        self._left = 0
        self._lines = b""
        # A function, not a bound method: that would be a cycle for each reply.
        self._step: Callable[[Reply], bool] = Reply._head

    @property
    def refused(self) -> bool:
        """The answer is no success: nothing more needs to be sent."""
        return self.status >= 300

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names and values as they came, in order."""
        parted = [line.partition(b":") for line in self._lines.split(b"\r\n")[:-1]]
        return [(name, value.strip(b" \t")) for name, _, value in parted]

    def feed(self, data: bytes | memoryview) -> None:
        """Take what came.

        Raises:
            Malformed: it cannot be a reply.
            ProtocolError: the content is larger than ``most``.
        """
        if not data:
            return
        if self.done:  # bytes that nobody asked for
            self.keep = False
            return
        self.started = True
        self._buffer += data
        while not self.done and self._step(self):
            pass
        if self.done and self._buffer:
            self.keep = False

    def eof(self, *, sure: bool = True) -> None:
        """The connection ended: some replies end with it.

        Args:
            sure: the server ended it, in good order. Else more may have been on its way, which
                only a refusal can do without (RFC 9112, section 9.8).
        """
        self.keep = False
        self.done = self.done or (self._step is Reply._until_end and (sure or self.refused))

    # Each step takes what it can from the buffer and says whether to go on at once.

    def _head(self) -> bool:
        if self._buffer[:7] != b"HTTP/1."[: len(self._buffer)]:
            raise Malformed("not an HTTP/1.1 reply")
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            self._spend(len(self._buffer), so_far=True)
            return False
        self._spend(end + 4)
        line, _, lines = bytes(self._buffer[: end + 2]).partition(b"\r\n")
        del self._buffer[: end + 4]
        status = _STATUS.fullmatch(line)
        if status is None:
            raise Malformed("no status line")
        _check_fields(lines)
        if status[2] == b"101":
            raise Malformed("another protocol")
        if status[2][:1] != b"1":  # interim replies are passed over
            self.status, self.reason, self._lines = int(status[2]), status[3] or b"", lines
            self._frame(recent=status[1] == b"1")
        return True

    def _frame(self, *, recent: bool) -> None:
        """Find out how the content ends (RFC 9112, section 6.3)."""
        parted = [line.partition(":") for line in _text(self._lines).split("\r\n")[:-1]]
        self.fields = fields = Headers([(name, value.strip(" \t")) for name, _, value in parted])
        length, coding = fields.get("content-length"), fields.get("transfer-encoding")
        options = fields.get("connection", "").lower().split(",")
        self.keep = recent and "close" not in [option.strip() for option in options]
        if length is not None and coding is not None:
            raise Malformed("more than one length")
        if length is not None and not _LENGTH.fullmatch(length):  # nor are two of them one
            raise Malformed("no length")
        if coding is not None and (not recent or not _CHUNKED.fullmatch(coding)):
            raise Malformed("an unknown transfer coding")
        if self._bare or self.status in (204, 304):
            self.done = True
            if self.status == 204 and (coding or int(length or 0)):
                self.keep = False  # whoever announces content here may send it as well
        elif coding:
            self._step = Reply._chunk_line
        elif length:
            self._expect(int(length))
            self._step = Reply._counted
            self.done = not self._left
        else:
            self.keep = False
            self._step = Reply._until_end

    def _counted(self) -> bool:
        self._move()
        self.done = not self._left
        return False

    def _until_end(self) -> bool:
        self._expect(len(self._buffer))
        self._move()
        return False

    def _chunk_line(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size = _CHUNK.fullmatch(line)
        if size is None:
            raise Malformed("no chunk")
        self._spend(len(line) - len(size[1]))
        self._expect(int(size[1], 16))
        self._step = Reply._chunk if self._left else Reply._trailer
        return True

    def _chunk(self) -> bool:
        self._move()
        if self._left or len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise Malformed("a chunk of another length")
        del self._buffer[:2]
        self._step = Reply._chunk_line
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line:
            self._spend(len(line) + 2)
            _check_fields(line + b"\r\n")
        self.done = line == b""
        return line is not None

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, _MOST_LINE)
        if end < 0:
            if len(self._buffer) >= _MOST_LINE:
                raise Malformed("a line without end")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _spend(self, count: int, *, so_far: bool = False) -> None:
        """Count bytes that are no content."""
        if count > self._spare:
            raise Malformed("too much besides the content")
        self._spare -= 0 if so_far else count

    def _expect(self, count: int) -> None:
        if len(self.body) + count > self._most:
            raise too_large(self._most, self.status)
        self._left = count

    def _move(self) -> None:
        self.body += self._buffer[: self._left]
        count = min(self._left, len(self._buffer))
        del self._buffer[:count]
        self._left -= count


def _check_fields(lines: bytes) -> None:
    if not _FIELDS.fullmatch(lines):
        raise Malformed("a header that is none")


def _text(lines: bytes) -> str:
    """Read the fields of a head, all in one encoding, as httpx does."""
    try:
        return lines.decode()
    except UnicodeDecodeError:
        return lines.decode("latin-1")
