"""GeoLens and its sandbox, with lost answers on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from longshore.provider import Batch, Flow, Job, Refused, Response, Session
from longshore.testing._carry import Sent
from longshore.testing._drive import Pier
from longshore.transfer import AnswerLost
from longshore_geolens import GeoLens, GeoLensSettings
from longshore_geolens.sandbox import GeoLensSandbox

T = TypeVar("T")

TIFF = b"II*\x00"
GEOJSON = b'{"type":"FeatureCollection","features":[]}'
SMALL_PARTS: dict[str, Any] = {"threshold": 1000, "part_size": 400}


LARGE = TIFF + bytes(range(256)) * 8  # 2,052 bytes: six parts of 400


def digest(data: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


class Line(Pier[GeoLens, GeoLensSandbox]):
    """A provider, its sandbox and what lies between: a clock, files, and lost answers.

    Attributes:
        lose: step -> "before" or "after" the vendor acts; used up once.
        proxy: step -> the body with which a proxy answers 502 instead of the vendor; stays.
    """

    def __init__(self, options: dict[str, Any] | None = None, **settings: Any) -> None:
        vendor = GeoLensSandbox(options)
        known = {"base_url": vendor.base_url, "api_key": "key-123"} | settings
        provider = GeoLens(GeoLensSettings.model_validate(known))
        super().__init__(provider, vendor, between=self._between)
        self.lose: dict[str, str] = {}
        self.proxy: dict[str, bytes] = {}

    def _between(self, sent: Sent, deliver: Callable[[], Response]) -> Response:
        step = sent.request.step
        when = self.lose.pop(step, "")
        if when == "before":
            raise AnswerLost
        if step in self.proxy:
            return Response(502, body=self.proxy[step])
        reply = deliver()
        if when == "after":
            raise AnswerLost
        return reply

    @property
    def log(self) -> list[str]:
        """Every request that left, as ``METHOD /path``."""
        home = self.vendor.home
        urls = [(s.request.method, s.call.url.partition("?")[0]) for s in self.sent]
        return [f"{method} {url.removeprefix(home)}" for method, url in urls]

    def batch(self, name: str, data: bytes) -> Batch:
        """Return a batch of one document."""
        document = self.document(name, data)
        return Batch(id=f"b{document.id}", documents=(document,))

    def run(self, make: Flow[T] | Callable[[], Flow[T]], *args: Any, **more: Any) -> T:
        """Run a flow to its end; what it does not deal with is what the engine would get."""
        try:
            return super().run(make, *args, **more)
        except Refused as refused:
            raise refused.error from None

    def deliver_all(self, batch: Batch, session: Session | None = None) -> Job:
        """Start (unless done), send every transfer, complete."""
        opened = session or self.start(batch)
        return self.complete(batch, opened, self.send_all(batch, opened))

    def held(self) -> list[tuple[str, str]]:
        """Return name and SHA-256 of what the vendor holds."""
        return [(d["name"], d["sha256"]) for d in self.vendor.state(self.now)["documents"]]
