"""Cassettes: what a provider sends, recorded once and proved again with every test run.

A `Scenario` says which documents go where and what is to come of it. `record` plays it against
the provider's sandbox, in process, under the vendor's real host name; `replay` plays it against
the recording, with no network at all, and fails when one byte differs, when anything is sent that
was not recorded, and when anything recorded is not sent. `problems_of` reads a cassette as a
careful reviewer would. `record_upload` records one upload to the real vendor.

vcrpy is needed (`pip install 'longshore[record]'`), and for `record` the extra `sandbox`.
"""

from __future__ import annotations

from longshore.testing.cassettes._lint import problems_of
from longshore.testing.cassettes._loop import run_virtually
from longshore.testing.cassettes._scenario import EPOCH, Played, Scenario, record, replay
from longshore.testing.cassettes._scrub import Scrubber, Shown
from longshore.testing.cassettes._tape import (
    CassetteMismatch,
    Header,
    RecordedDocument,
    read_header,
)
from longshore.testing.cassettes._upload import record_upload

__all__ = [
    "EPOCH", "CassetteMismatch", "Header", "Played", "RecordedDocument", "Scenario", "Scrubber",
    "Shown", "problems_of", "read_header", "record", "record_upload", "replay", "run_virtually",
]  # fmt: skip
