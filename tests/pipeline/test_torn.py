"""A file that changed while it was sent, where the flow itself asks how far the vendor came."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from longshore.provider import (
    Batch,
    Flow,
    ProviderSettings,
    Raw,
    Receipt,
    Remedy,
    Request,
    Retry,
    Session,
    Transfer,
)
from longshore.testing.simulation import Case, broken_promises, play, single_faults
from tests.docs.examples.fakes import TusServer
from tests.docs.examples.tus import Tus


class AsksAtItsTop(Tus):
    """tus with HEAD first and RERUN, and without a question beside the append."""

    def send(self, batch: Batch, session: Session, transfer: Transfer) -> Flow[Receipt]:
        place, (piece,) = str(session.data["place"]), transfer.pieces
        offset = int((yield Request("HEAD", place)).headers["upload-offset"])
        while offset < piece.size:
            body, sent = Raw(piece.skip(offset)), {"Upload-Offset": str(offset)}
            patch = Request("PATCH", place, body, sent, f"at-{offset}", Retry.ONCE)
            offset = int((yield replace(patch, lost=Remedy.RERUN)).headers["upload-offset"])
        return transfer.receipt(place)


CASE = Case(
    "tus",
    lambda: AsksAtItsTop(ProviderSettings(base_url=TusServer.home, api_key=SecretStr("key-123"))),
    TusServer,
    (("a.pdf", b"one piece"),),
    idle=frozenset({"open"}),
    over=frozenset({"open"}),
)


def test_what_changed_on_its_way_is_no_success_after_a_resume() -> None:
    """The vendor says that it has all of it, but what it has is a mixture."""
    plans = list(single_faults(play(CASE).log, frozenset({"changed"})))
    assert plans
    assert [broken_promises(CASE, play(CASE, plan)) for plan in plans] == [[]] * len(plans)
