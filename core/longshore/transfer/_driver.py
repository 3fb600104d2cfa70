"""The driver: one request of a flow, from credentials to an answer, with its retries."""

from __future__ import annotations

import asyncio
import errno
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from urllib.parse import urlsplit

from longshore.documents import Document
from longshore.errors import DocumentError, SourceChanged, SourceUnreadable, VendorUnavailable
from longshore.provider import Provider, ProviderSettings, Request, Response
from longshore.transfer._concurrency import Concurrency
from longshore.transfer._described import check_absolute, encoded, fields_of, signed
from longshore.transfer._endings import Ending, came_to_nothing, may_have_acted, trouble_of, why_of
from longshore.transfer._pace import Bandwidth, Pace
from longshore.transfer._port import (
    AnswerLost,
    Clock,
    NotSent,
    Outgoing,
    Source,
    Sources,
    Transport,
)
from longshore.transfer._retry import (
    Again,
    Deliver,
    GiveUp,
    Lost,
    Policy,
    Retries,
    RetryIn,
    Verdict,
    decide,
    http_date,
    retry_after,
)
from longshore.transfer._segments import Encoded
from longshore.transfer._tally import Tally
from longshore.transfer._tokens import Tokens

__all__ = ["Driver"]

_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE)


class Driver:
    """Carries requests for one target.

    Args:
        provider: signs the requests that go to the vendor.
        transport: carries one try.
        clock: the engine's.
        sources: opens documents.
        pace: of the target.
        retries: carries retries out.
        rng: spreads the pauses.
        policy: how patient one exchange is.
        bandwidth: caps the bytes a second; None: no cap.
        concurrency: learns how many requests at once are worth their while.
        learn: told each access token, so that it is hidden wherever it turns up.
    """

    def __init__(
        self,
        provider: Provider[ProviderSettings],
        *,
        transport: Transport,
        clock: Clock,
        sources: Sources,
        pace: Pace,
        retries: Retries,
        rng: random.Random,
        policy: Policy | None = None,
        bandwidth: Bandwidth | None = None,
        concurrency: Concurrency | None = None,
        learn: Callable[[Iterable[str]], None] = lambda _secrets: None,
    ) -> None:
        self._provider = provider
        self._base = provider.settings.base_url
        self._transport = transport
        self._clock = clock
        self._sources = sources
        self._pace = pace
        self._retries = retries
        self._rng = rng
        self._policy = policy or Policy()
        self._throttle = bandwidth.take if bandwidth else None
        self.concurrency = concurrency or Concurrency(clock, 1)
        self.answered_at: float | None = None
        """When the vendor last answered with anything but an outage."""
        self.skew: float | None = None
        """Seconds by which the vendor's clock is ahead of ours; None until it told the time."""
        self._granting: Request | None = None  # it brings its own credentials
        self._tokens: Tokens[Tally] | None = None
        if provider.offers("authorize"):
            self._tokens = Tokens(provider, clock, self._granted, learn)

    def vendor_now(self) -> float:
        """The time by the vendor's clock, as its ``Date`` headers tell."""
        return self._clock.now() + (self.skew or 0.0)

    async def exchange(
        self, request: Request, key: str, documents: Mapping[str, Document], tally: Tally
    ) -> Response:
        """Send a request until there is an answer, and return it, whatever its status.

        Args:
            request: as the flow described it.
            key: of its step; becomes the idempotency key and the boundary of a form.
            documents: those that the body may refer to, by id.
            tally: counts what leaves.

        Raises:
            AnswerLost: a ONCE request may have been acted upon.
            VendorUnavailable: the retries are used up; nothing would be doubled by a later try.
            SourceChanged: a document is not the planned one any more.
            SourceMissing: a document is gone.
            ProtocolError: the URL or the reply cannot be used.
            PluginError: the body or the credentials cannot be made; that try does not leave.
        """
        if request.absolute:
            check_absolute(request.url, self._base)
        body = encoded(self._provider, request, key)
        deadline, acted = math.inf, False
        tally.acted = tally.repeated = False
        plain = self._tokens is None or request.absolute or request is self._granting
        carry = self._try if plain else self._with_token

        async def attempt(number: int) -> Response:
            nonlocal deadline, acted
            if number > 1:
                await tally.another()
            try:
                ending = await carry(request, key, body, documents, tally)
            except DocumentError as error:  # the file is not what an earlier try carried
                error.sent |= acted
                raise
            jitter = self._rng.random()  # one for each try: recordings count on the sequence
            if isinstance(ending, Response) and ending.status < 400:  # nothing to decide
                return ending
            acted |= may_have_acted(ending)
            tally.acted = acted or not came_to_nothing(ending)
            now = self._clock.now()
            if number == 1:  # neither the wait for a turn nor a long upload uses up the patience
                deadline = now + self._policy.seconds
            verdict = decide(
                request,
                number,
                ending,
                now=now,
                deadline=deadline,
                jitter=jitter,
                policy=self._policy,
            )
            return self._follow(verdict, request, ending, tally)

        return await self._retries(attempt)

    def check(self, request: Request, documents: Mapping[str, Document]) -> None:
        """Look whether the files that a request carries are still the planned ones.

        Raises:
            DocumentError: one of them is not.
        """
        with ExitStack() as stack:
            self._open(encoded(self._provider, request, ""), documents, stack)

    async def _granted(self, request: Request, tally: Tally) -> Response:
        """Carry a request for an access token, on account of the one that waits for it."""
        own, self._granting = Tally(), request
        try:
            return await self.exchange(request, "", {}, own)
        finally:
            self._granting = None
            tally.requests += own.requests
            tally.retries += own.retries
            tally.troubles = dict(Counter(tally.troubles) + Counter(own.troubles))

    async def _with_token(
        self,
        request: Request,
        key: str,
        body: Encoded,
        documents: Mapping[str, Document],
        tally: Tally,
    ) -> Ending:
        """Try with a token; a 401 says that it holds no more, and that nothing was done."""
        assert self._tokens is not None
        token, acted = self._provider.token, tally.acted
        ending = await self._try(request, key, body, documents, tally)
        if isinstance(ending, Response) and ending.status == 401 and self._tokens.refused(token):
            tally.acted = acted
            await tally.another()
            ending = await self._try(request, key, body, documents, tally)
        return ending

    async def _try(
        self,
        request: Request,
        key: str,
        body: Encoded,
        documents: Mapping[str, Document],
        tally: Tally,
    ) -> Ending:
        if not request.absolute:
            tally.idle = True
            read, tokens = request.method in ("GET", "HEAD"), self._tokens
            await self._pace.turn(read=read)
            if tokens is not None and request is not self._granting:
                while await tokens.have(tally):  # meanwhile a 429 may have come
                    await self._pace.turn(read=read)
        tally.idle = False
        if not body.pieces:
            return await self._send(request, self._outgoing(request, key, body, {}, tally), tally)
        with ExitStack() as stack:
            try:
                sources = self._open(body, documents, stack)
            except SourceUnreadable as error:
                if _errno(error) in _NO_MORE_FILES:  # nothing is wrong with the document
                    return NotSent(error.message)
                raise
            outgoing = self._outgoing(request, key, body, sources, tally)
            return await self._send(request, outgoing, tally)

    async def _send(self, request: Request, outgoing: Outgoing, tally: Tally) -> Ending:
        tally.requests += 1
        acted, tally.acted, tally.reading = tally.acted, True, outgoing.sources.values()
        flight = self.concurrency.began()
        try:
            response = await self._transport.send(outgoing)
        except asyncio.CancelledError:
            if tally.waits:  # for a document's store: without its bytes the request is not whole
                tally.acted = acted
            raise
        except NotSent as failure:
            return failure
        except AnswerLost as failure:
            self.concurrency.crowded(flight)
            _check(outgoing.sources, sent=True)
            return failure
        refused = 400 <= response.status < 500 and response.status != 408
        try:
            _check(outgoing.sources, sent=not refused)
        except SourceChanged:  # its request is given up, but a 429 is about the account
            if response.status == 429 and not request.absolute:
                self._pace.throttled(retry_after(response, self._clock.now()) or 1.0)
            raise
        self._note(request, response)
        size = outgoing.body.of_files
        tally.bytes_sent += size
        if response.status == 429:
            self.concurrency.crowded(flight)
        else:
            self.concurrency.ended(flight, size)
        return response

    def _open(
        self, body: Encoded, documents: Mapping[str, Document], stack: ExitStack
    ) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        for id in sorted({piece.document for piece in body.pieces}):
            sources[id] = stack.enter_context(self._sources.open(documents[id]))
            sources[id].check()
        return sources

    def _outgoing(
        self,
        request: Request,
        key: str,
        body: Encoded,
        sources: Mapping[str, Source],
        tally: Tally,
    ) -> Outgoing:
        described = request
        if request.key_header:
            request = request.with_header(request.key_header, key)
        if not request.absolute and described is not self._granting:
            request = signed(self._provider, request, self._clock.now())
        return Outgoing(
            method=request.method,
            url=request.url if request.absolute else self._base + request.url,
            headers=fields_of(request, body),
            body=body,
            sources=sources,
            timeout=request.timeout or self._provider.settings.timeout,
            progress=tally.progress,
            throttle=self._throttle,
        )

    def _follow(self, verdict: Verdict, request: Request, ending: Ending, tally: Tally) -> Response:
        throttled = isinstance(ending, Response) and ending.status == 429
        if (kind := trouble_of(ending)) is not None:
            tally.troubles[kind] = tally.troubles.get(kind, 0) + 1
        match verdict:
            case Deliver():
                assert isinstance(ending, Response)
                return ending
            case RetryIn(seconds):
                if throttled and not request.absolute:
                    self._pace.throttled(seconds)
                tally.repeated |= not isinstance(ending, NotSent)
                tally.retried(why_of(ending), seconds)
                tally.idle = True
                raise Again(seconds)
            case Lost(seconds):
                raise AnswerLost(why_of(ending), after=seconds)
            case GiveUp(seconds):
                if throttled and not request.absolute:
                    self._pace.throttled(seconds or 1.0)
                said = "answers with" if isinstance(ending, Response) else "does not answer:"
                raise VendorUnavailable(
                    f"{_where(request, self._base)} {said} {why_of(ending)}",
                    hint="check base_url and the network",
                    status=ending.status if isinstance(ending, Response) else None,
                    retry_after=seconds,
                    connected=not isinstance(ending, NotSent),
                )

    def _note(self, request: Request, response: Response) -> None:
        now = self._clock.now()
        if response.status < 500 and response.status != 429:
            self.answered_at = now
        if request.absolute or response.status == 429:
            return
        if response.status < 400:
            self._pace.succeeded()
        if (date := http_date(response.headers.get("date", ""))) is not None:
            skew = date - now
            self.skew = skew if abs(skew) > 2.0 else 0.0  # Date has whole seconds only


def _errno(error: Exception) -> int | None:
    return getattr(error.__cause__, "errno", None)


def _check(sources: Mapping[str, Source], *, sent: bool) -> None:
    """Look whether the files stayed the same while they were sent."""
    try:
        for source in sources.values():
            source.check()
    except SourceChanged as changed:
        changed.sent = sent
        raise


def _where(request: Request, base: str) -> str:
    return urlsplit(request.url).hostname or base if request.absolute else base
