"""The three protocols of docs/explanation/other-protocols.md keep every promise of the engine."""

from __future__ import annotations

from typing import Any

import pytest

from longshore.capabilities import Capabilities
from longshore.lifecycle import Outcome
from longshore.provider import ProviderSettings
from longshore.testing.simulation import (
    Case,
    broken_promises,
    enumerate_points,
    play,
    single_faults,
)
from tests.docs.examples.fakes import Bucket, LlamaParseServer, TusServer
from tests.docs.examples.llamaparse import LlamaParse, LlamaParseSettings
from tests.docs.examples.s3 import S3
from tests.docs.examples.tus import Tus

KEY: dict[str, Any] = {"api_key": "key-123456"}
DOCUMENTS = (("a.pdf", b"first document, 27 bytes..."), ("a.pdf", b"second doc., also 27 bytes."))


class SmallParts(S3):
    """Parts of ten bytes; S3's are of 5 MiB and more."""

    def capabilities(self) -> Capabilities:
        """Return S3's limits with tiny parts."""
        own = super().capabilities()
        assert own.parts is not None
        parts = own.parts.model_copy(update={"default": 10, "minimum": 1})
        return own.model_copy(update={"parts": parts})


CASES = (
    Case(
        "tus",
        lambda: Tus(ProviderSettings(base_url=TusServer.home, **KEY)),
        TusServer,
        DOCUMENTS,
        idle=frozenset({"open"}),
        over=frozenset({"open"}),  # an upload that nobody goes on with expires by itself
    ),
    Case(
        "s3",
        lambda: SmallParts(ProviderSettings(base_url=Bucket.home, **KEY)),
        Bucket,
        DOCUMENTS,
        idle=frozenset({"open"}),
        over=frozenset({"open"}),  # what is not aborted goes by a rule of the bucket
    ),
    Case(
        "llamaparse",
        lambda: LlamaParse(LlamaParseSettings(**KEY)),
        LlamaParseServer,
        DOCUMENTS,
        may_be_unknown=True,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_protocol_carries_documents(case: Case) -> None:
    """Without faults everything succeeds in one life."""
    history = play(case)
    assert broken_promises(case, history) == []
    assert history.outcomes == (Outcome.SUCCEEDED, Outcome.SUCCEEDED)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_protocol_survives_every_single_fault(case: Case) -> None:
    """A crash or a lost answer at any point loses nothing and doubles nothing."""
    tally = enumerate_points(case)
    print(tally.line())
    assert [f"{plan}: {problems}" for plan, problems in tally.failures] == []
    assert (tally.outcomes[Outcome.UNKNOWN] > 0) == case.may_be_unknown


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_that_changes_on_its_way_is_no_success(case: Case) -> None:
    """The vendor has a mixture then, and nobody is told that it is the document."""
    plans = list(single_faults(play(case).log, frozenset({"changed"})))
    assert plans
    histories = [play(case, plan) for plan in plans]
    assert [broken_promises(case, history) for history in histories] == [[]] * len(plans)
