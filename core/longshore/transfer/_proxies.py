"""A client for which a proxy that needs a missing package is no reason to refuse every host."""

from __future__ import annotations

from typing import Any

import httpx

from longshore.errors import ConfigurationError

__all__ = ["ProxyingClient"]


class ProxyingClient(httpx.AsyncClient):
    """Tells that a proxy of the environment cannot be used when a request is to go by it.

    httpx looks for the package of a SOCKS proxy when it is made, though NO_PROXY may name the only
    host that is ever asked. Where httpx has no such method any more, it is as strict as before.
    """

    def _init_proxy_transport(self, *given: Any, **how: Any) -> httpx.AsyncBaseTransport:
        try:
            return super()._init_proxy_transport(*given, **how)
        except ImportError:
            return _Unusable()


class _Unusable(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise ConfigurationError(
            f"{request.url.host}: the proxy that the environment names speaks SOCKS, "
            "for which a package is missing",
            hint="pip install 'httpx[socks]', or name the host in NO_PROXY",
        )
