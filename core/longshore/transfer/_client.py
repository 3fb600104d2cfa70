"""httpx's client, with what lies below it: no other module touches the private parts of httpx.

The range of httpx is pinned, and the tests notice a change. Without ``_pool`` requests leave by
httpx's own connections; without ``_network_backend`` an answer that comes early may get lost there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpcore
import httpx

from longshore.errors import ConfigurationError

__all__ = ["Client", "Departure", "is_untouched"]

P = TypeVar("P")


class Client(httpx.AsyncClient):
    """A client whose connections can be replaced.

    A proxy that needs a missing package is no reason for it to refuse every host: httpx looks for
    that package when a client is made, though NO_PROXY may name the only host that is ever asked.
    """

    def __init__(self, **how: Any) -> None:
        self._places: dict[httpx.AsyncBaseTransport, str] = {}
        super().__init__(**how)

    @property
    def proxied(self) -> bool:
        """Something goes by a proxy that the environment names; NO_PROXY alone is none."""
        return any(self._mounts.values())

    def transport_for(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        """Return what carries requests to an address: our own transport, or that of a proxy."""
        return self._transport_for_url(url)

    def proxy_for(self, url: str) -> str | None:
        """Return host and port of the proxy that stands between; None where there is none."""
        return self._places.get(self._transport_for_url(httpx.URL(url)))

    def with_pool(self, make: Callable[[], P]) -> P | None:
        """Put another pool below our own transport; None where there is none to be replaced."""
        transport: Any = self._transport
        if not isinstance(getattr(transport, "_pool", None), httpcore.AsyncConnectionPool):
            return None
        pool = transport._pool = make()  # noqa: SLF001
        return pool

    def with_network(
        self, change: Callable[[httpcore.AsyncNetworkBackend], httpcore.AsyncNetworkBackend]
    ) -> None:
        """Change what makes the connections of httpcore's pools, proxied ones too."""
        for transport in (self._transport, *self._mounts.values()):
            pool: Any = getattr(transport, "_pool", None)
            backend = getattr(pool, "_network_backend", None)
            if isinstance(backend, httpcore.AsyncNetworkBackend):
                pool._network_backend = change(backend)  # noqa: SLF001

    def _init_proxy_transport(self, *given: Any, **how: Any) -> httpx.AsyncBaseTransport:
        url = given[0].url  # httpx took user and password out
        if b"@" in url.raw_path or "@" in url.fragment:  # a part of the password, read as a path
            raise httpx.InvalidURL("a slash before the host")
        try:
            made = super()._init_proxy_transport(*given, **how)
        except ImportError:
            return _Unusable()
        self._places[made] = url.netloc.decode()
        return made


class Departure:
    """Told by httpcore what it does: whether a request begins to leave.

    What a proxy is asked before, to make a tunnel, is not the request.
    """

    def __init__(self) -> None:
        self.begun = False

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            self.begun = self.begun or info["request"].method != b"CONNECT"


class _Unusable(httpx.AsyncBaseTransport):
    """Tells that a proxy cannot be used when a request is to go by it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise ConfigurationError(
            f"{request.url.host}: the proxy that the environment names speaks SOCKS, "
            "for which a package is missing",
            hint="pip install 'httpx[socks]', or name the host in NO_PROXY",
        )


def is_untouched() -> bool:
    """Tell whether httpx's transport is its own: a recorder puts another function in there."""
    handle = httpx.AsyncHTTPTransport.handle_async_request
    return getattr(handle, "__globals__", {}).get("__name__") == "httpx._transports.default"
