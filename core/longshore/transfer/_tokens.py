"""The access token of a target: got when needed, once for all that wait for it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import closing
from typing import Generic, TypeVar

from longshore._faults import asked, broke_off
from longshore.errors import AccountError, BatchError, LongshoreError, PluginError, Unauthorized
from longshore.provider import (
    Flow,
    Provider,
    ProviderSettings,
    Refused,
    Request,
    Response,
    Retry,
    Token,
    Wait,
    refusal_of,
)
from longshore.transfer._port import Clock

__all__ = ["Tokens"]

C = TypeVar("C")

_SLACK = 10.0  # seconds; at most a tenth of a token's life
_LEAST = 10.0
_TURN = 0.05
_HINT = "check the settings that the token is asked for with"


class Tokens(Generic[C]):
    """Keeps ``provider.token`` fresh.

    Args:
        provider: says how a token is got.
        clock: the engine's.
        exchange: carries one request, and counts it.
        learn: told each token, so that it is hidden wherever it turns up.
    """

    def __init__(
        self,
        provider: Provider[ProviderSettings],
        clock: Clock,
        exchange: Callable[[Request, C], Awaitable[Response]],
        learn: Callable[[Iterable[str]], None],
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._exchange = exchange
        self._learn = learn
        self._until = -math.inf
        self._asking = False

    async def have(self, count: C) -> bool:
        """Return once there is a token that holds; ``count`` is whose request waits for it.

        Returns:
            Whether that took any time.

        Raises:
            AccountError: none is to be had.
        """
        waited = False
        while self._clock.now() >= self._until:
            waited = True
            if self._asking:
                await self._clock.sleep(_TURN)
                continue
            self._asking = True
            try:
                await self._ask(count)
            finally:
                self._asking = False
        return waited

    def refused(self, token: str | None) -> bool:
        """A try that began with this token was answered with 401: get another, unless one came.

        Returns:
            Whether it may be tried again.
        """
        if token == self._provider.token:
            self._until = -math.inf
        return token is not None

    async def _ask(self, count: C) -> None:
        began = self._clock.now()
        token = await self._run(count)
        life = math.inf if token.seconds is None else token.seconds
        self._learn((token.value,))
        self._provider.token = token.value
        # However short its life, somebody goes out with it: if it is over, a 401 tells.
        now = self._clock.now()
        self._until = max(began + life - min(_SLACK, life / 10), now + _LEAST)

    async def _run(self, count: C) -> Token:
        with closing(self._begin()) as flow:
            try:
                item = next(flow)
                while True:
                    response = await self._exchange(_harmless(item), count)
                    error = self._refusal(response)
                    if error is None:
                        item = flow.send(response)
                    else:
                        item = flow.throw(Refused(response, error))
            except StopIteration as end:
                return _token(end.value)
            except Refused as refused:
                raise _of_the_account(refused.error) from None
            except BatchError as error:  # a reply that nobody can read: no batch is to blame
                raise _of_the_account(error) from error
            except LongshoreError:
                raise
            except Exception as error:
                raise broke_off(self._provider.name, "authorize", error) from error

    def _begin(self) -> Flow[Token]:
        flow = asked(self._provider.name, "authorize", self._provider.authorize)
        if not isinstance(flow, Generator):
            raise PluginError(f"authorize is a generator, not {type(flow).__name__}")
        return flow

    def _refusal(self, response: Response) -> LongshoreError | None:
        if response.status < 300:
            return None
        return self._provider.refusal(response) or refusal_of(response)


def _token(value: object) -> Token:
    if isinstance(value, Token):
        if isinstance(value.value, str) and value.value:
            return value
        raise PluginError("authorize returns a Token whose value is no text")
    raise PluginError(f"authorize returns a Token, not {type(value).__name__}")


def _harmless(item: Request | Wait) -> Request:
    if isinstance(item, Request) and item.retry is Retry.SAFE:
        return item
    raise PluginError("authorize yields requests that are SAFE, and nothing else")


def _of_the_account(error: LongshoreError) -> AccountError:
    if isinstance(error, AccountError):
        return error
    return Unauthorized(f"no access token: {error.message}", hint=_HINT, status=error.status)
