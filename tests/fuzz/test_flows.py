"""Vendors' replies: whatever comes, a flow ends in an error of the tree and gives nothing away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from longshore.errors import LongshoreError
from longshore.provider import Headers, Refused, Response
from longshore.testing._carry import Sent
from longshore.testing.conformance import Kit
from longshore.testing.conformance._poison import poisoned
from longshore.testing.conformance._story import Story, scripts, tell
from longshore.transfer import AnswerLost
from tests.conformance.test_builtin import TestGeoLens as GeoLensKit
from tests.conformance.test_builtin import TestPlangrep as PlangrepKit
from tests.conformance.test_builtin import TestSendai as SendaiKit
from tests.conformance.test_builtin import TestSubworkflow as SubworkflowKit
from tests.fuzz.hostile import HEADERS, JSON, RAW, body_of, examples, mutated

KITS = [PlangrepKit.kit, GeoLensKit.kit, SubworkflowKit.kit, SendaiKit.kit]
STATUSES = st.sampled_from([200, 200, 200, 201, 202, 204, 207, 299, 300, 302, 307, 304, 400, 401,
    402, 403, 404, 405, 408, 409, 410, 413, 422, 429, 499, 500, 502, 503, 504, 599])  # fmt: skip

Draw = Callable[[st.SearchStrategy[Any]], Any]


def spoiled(draw: Draw, reply: Response) -> Response:
    """Return a reply that is not quite what the vendor documents, or nothing like it."""
    how = draw(st.integers(0, 9))
    try:
        value = json.loads(reply.body)
    except ValueError:
        value = None
    if how == 0:
        body = draw(RAW)
    elif how == 1 or value is None:
        body = body_of(draw(JSON))
    elif how == 2:
        body = reply.body[: draw(st.integers(0, len(reply.body)))]
    else:
        body = body_of(mutated(draw, value))
    status = draw(STATUSES) if draw(st.integers(0, 3)) == 0 else reply.status
    headers = {**reply.headers, **draw(HEADERS)} if draw(st.booleans()) else dict(reply.headers)
    return Response(status, Headers(headers), body)


class Guard:
    """Looks at each request that leaves.

    Args:
        kit: whose settings hold the credentials.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def look(self, sent: Sent) -> None:
        """Check that no credential goes to anybody but the vendor."""
        request, call = sent.request, sent.call
        if not request.absolute:
            base = urlsplit(self._kit.home)
            there = httpx.URL(f"{self._kit.home}{request.url}")
            assert (there.scheme, there.host) == (base.scheme, base.hostname)
            assert not there.userinfo
            return
        told = f"{call.url} {dict(call.headers)} {call.body!r}"
        assert not [secret for secret in self._kit.secrets if secret in told]


def check(kit: Kit, error: BaseException | None) -> None:
    """Only errors of the tree come out, and without a secret."""
    if error is None:
        return
    if not isinstance(error, LongshoreError | Refused | AnswerLost):
        raise error
    assert not [secret for secret in kit.secrets if secret in str(error)]
    assert "\n" not in str(error)


@pytest.mark.parametrize("kit", KITS, ids=lambda kit: kit.provider.name)
@examples(40, slow=True)
@given(data=st.data())
def test_a_spoiled_reply_ends_a_flow_in_an_error_of_the_tree(kit: Kit, data: st.DataObject) -> None:
    """One or more replies of an upload are changed; the clock, files and network stay untouched."""
    draw = data.draw
    modes = [*kit.modes, *([kit.review] if kit.review else [])]
    mode = modes[draw(st.integers(0, len(modes) - 1))]
    script = draw(st.sampled_from(scripts(kit)))
    first, count = draw(st.integers(0, 9)), 0
    guard = Guard(kit)

    def between(_: Story, sent: Sent, deliver: Callable[[], Response]) -> Response:
        nonlocal count
        guard.look(sent)
        reply = deliver() if sent.call.url.startswith(kit.home) else Response(200)
        count += 1
        spoils = count == first + 1 or (count > first and not draw(st.integers(0, 2)))
        return spoiled(draw, reply) if spoils and count < 60 else reply

    used: list[str] = []
    story = tell(kit, mode, script, between=between, watch=lambda: poisoned(kit.provider, used))
    assert used == []
    check(kit, story.error)
    for value in (story.session, story.job, story.setup, *story.receipts, *story.statuses):
        if value is not None:  # what a flow returns can be kept and read again
            kind = TypeAdapter(type(value))
            kept = kind.validate_json(kind.dump_json(value))
            assert kept == kind.validate_json(kind.dump_json(kept))
