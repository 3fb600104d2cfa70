"""Carries requests to a sandbox's pure core, in memory, past everything that can go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Any, NamedTuple

from longshore.documents import Piece
from longshore.errors import SourceChanged
from longshore.provider import Headers, Request, Response
from longshore.sandbox import Call, Recorder, Reply
from longshore.testing.simulation._sources import MemorySources
from longshore.testing.simulation._watch import Watch
from longshore.testing.simulation._world import World
from longshore.transfer import AnswerLost, Driver, NotSent, Outgoing, Source

__all__ = ["SimulatedTransport"]

_LATENCIES = (0.0, 0.01, 0.5, 3.0)
_PAUSES = {"429/2": 2.0, "429/date": 28.0, "429/absurd": 120.0}
_WEEK = 7 * 86_400.0
_ELSEWHERE = {"Location": "https://elsewhere.example/login"}
_PAGE = b"<!doctype html><title>Just a moment...</title>"


class _Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes = b""


class SimulatedTransport:
    """One process's way to the vendor.

    At ``request`` a point lies before the vendor has it, at ``answer`` after the vendor acted.
    A lost one looks the same from here, and costs the time-out.

    Args:
        world: in which it happens.
        vendor: the vendor's side.
        watch: notes what leaves.
        sources: the documents, which may be changed while they are sent.
        overtaken: tells of a unit whether another process took it since.
    """

    def __init__(
        self,
        world: World,
        vendor: Recorder,
        watch: Watch,
        sources: MemorySources,
        overtaken: Callable[[str], bool],
    ) -> None:
        self._world = world
        self._vendor = vendor
        self._watch = watch
        self._sources = sources
        self._overtaken = overtaken
        self._words: dict[tuple[str, str], str] = {}
        self._base = ""
        self._life = watch.lives

    def follow(self, driver: Driver, base_url: str) -> None:
        """Learn each request's retry word as it is given to the driver."""
        exchange, self._base = driver.exchange, base_url

        def told(request: Request, *more: Any) -> Awaitable[Response]:
            url = request.url if request.absolute else base_url + request.url
            self._words[request.method, url] = request.retry.value
            return exchange(request, *more)

        vars(driver)["exchange"] = told

    async def send(self, outgoing: Outgoing) -> Response:
        """Send a request and return the answer."""
        world, word = self._world, self._words[outgoing.method, outgoing.url]
        signed = not outgoing.url.startswith(f"{self._base}/")
        pieces = [s for s in outgoing.body.segments if isinstance(s, Piece)]
        what = f"{word} {outgoing.method} {outgoing.url.partition('?')[0]}"
        unit = world.current
        self._watch.leaves(unit, self._life, word=word, signed=signed)
        if pieces:
            self._watch.carries(unit, pieces, overtaken=self._overtaken(unit))
        if signed:
            self._watch.strips(outgoing.headers)
        await self._pass()
        world.current = unit
        marks = " file" * bool(pieces) + " signed" * signed
        fault = world.point(f"request {what}{marks}") or ""
        call = self._call(outgoing, pieces, fault)
        deliver = partial(self._deliver, call)
        answer = await self._before(outgoing, fault, deliver, signed=signed) if fault else None
        if answer is not None:
            return self._dated(answer)
        reply = deliver(ahead=_WEEK) if fault == "expired" else deliver()
        if fault == "twice":
            deliver()
        await self._pass()
        world.current = unit
        marks = " etag" * ("etag" in reply.headers)
        fault = world.point(f"answer {what}{marks}") or ""
        answer = _Answer(reply.status, dict(reply.headers), reply.body)
        return self._dated(await self._after(outgoing, fault, answer) if fault else answer)

    def _dated(self, answer: _Answer) -> Response:
        """Say what time it is by the vendor's clock, as every server does."""
        answer.headers["Date"] = _date(int(self._world.time))
        return Response(answer.status, Headers(answer.headers), answer.body)

    async def _pass(self) -> None:
        """An exchange takes time, in which others go on; alone it takes none."""
        rng = self._world.rng
        if rng is not None:
            await self._world.sleep(_LATENCIES[int(rng.random() * len(_LATENCIES))])

    def _call(self, outgoing: Outgoing, pieces: list[Piece], fault: str) -> Call:
        """Read the body, and let the file change halfway if that is to happen."""
        segments = outgoing.body.segments
        if fault in ("changed", "cut", "deleted"):
            torn, whole = pieces[-1], _bytes_of(pieces[-1], outgoing.sources)
            if torn.document in self._sources.contents:
                self._sources.touch(torn.document, fault)
            if fault == "changed":
                half = torn.size // 2
                rest = outgoing.sources[torn.document].read(torn.offset + half, torn.size - half)
                segments = tuple(whole[:half] + rest if s is torn else s for s in segments)
        data = [_bytes_of(segment, outgoing.sources) for segment in segments]
        for piece, read in zip(segments, data, strict=True):
            if isinstance(piece, Piece) and len(read) < piece.size:
                # Its Content-Length is not reached: the vendor has no request.
                raise SourceChanged("the file ended early", document=piece.document)
        if pieces:
            outgoing.progress(sum(piece.size for piece in pieces))
        return Call.of(outgoing.method, outgoing.url, outgoing.headers, b"".join(data))

    def _deliver(self, call: Call, *, ahead: float = 0.0) -> Reply:
        return self._vendor.handle(call, self._world.time + ahead)

    # ------------------------------------------------------------------ what goes wrong

    async def _before(
        self, outgoing: Outgoing, fault: str, deliver: Callable[[], Reply], *, signed: bool
    ) -> _Answer | None:
        """Go wrong before the vendor has the request; None when it does have it."""
        world = self._world
        match fault:
            case "refused":
                raise NotSent("connection refused")
            case "lost":
                await world.sleep(outgoing.timeout)
                raise AnswerLost(f"time-out after {outgoing.timeout:.0f} s")
            case "late" | "late/hour":
                delay = 3600.0 if fault == "late/hour" else outgoing.timeout * 0.8
                world.at(world.time + delay, deliver)
                raise AnswerLost("connection reset")
            case "redirect":
                return _Answer(307, dict(_ELSEWHERE))
            case "gone":
                return _Answer(404, {}, b'{"error": "not found"}')
            case _ if fault[:3].isdigit():
                if fault in _PAUSES and not signed:
                    self._watch.pauses(self._life, _PAUSES[fault])
                return _Answer(int(fault[:3]), self._retry_after(fault[4:]))
        return None

    def _retry_after(self, word: str) -> dict[str, str]:
        words = {
            "date": formatdate(self._world.time + 30, usegmt=True),
            "absurd": "99999999999",
            "junk": "soon",
        }
        return {"Retry-After": words.get(word, word)} if word else {}

    async def _after(self, outgoing: Outgoing, fault: str, answer: _Answer) -> _Answer:
        """Go wrong after the vendor acted."""
        status, headers, body = answer
        match fault:
            case "lost":
                await self._world.sleep(outgoing.timeout)
                raise AnswerLost(f"time-out after {outgoing.timeout:.0f} s")
            case "truncated":
                raise AnswerLost("the connection broke within the answer")
            case "json":
                body = body[: len(body) // 2] + b'{"]'
            case "html":
                return _Answer(200, {"Content-Type": "text/html"}, _PAGE)
            case "etag":
                headers = {**headers, "etag": '"wrong"'}
            case _ if fault.endswith("!"):
                return _Answer(int(fault[:3]), {})
        return _Answer(status, headers, body)


@lru_cache(maxsize=1024)
def _date(time: int) -> str:
    return formatdate(time, usegmt=True)


def _bytes_of(segment: bytes | Piece, sources: Mapping[str, Source]) -> bytes:
    if isinstance(segment, bytes):
        return segment
    return sources[segment.document].read(segment.offset, segment.size)
