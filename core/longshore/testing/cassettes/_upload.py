"""Recording one upload to the real vendor, for whoever has a key."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from longshore.documents import Document, sha256_file
from longshore.journal import MemoryJournal
from longshore.pipeline import (
    Candidate,
    Environment,
    Listener,
    RunOptions,
    RunReport,
    begin,
    execute,
)
from longshore.targets import Target, secret_values
from longshore.testing.cassettes._scenario import seeded_environment
from longshore.testing.cassettes._scrub import Scrubber
from longshore.testing.cassettes._tape import Header, RecordedDocument, recording
from longshore.transfer import http_transport

__all__ = ["record_upload"]


async def record_upload(
    target: Target,
    candidates: Sequence[Candidate],
    cassette: Path,
    *,
    listener: Listener | None = None,
) -> RunReport:
    """Carry documents to the real vendor, one request after the other, and write a cassette.

    Secrets become placeholders and documents digests before anything is written. The ids of the
    run are made from a random seed, which the cassette keeps so that a replay makes them too.

    Args:
        target: where the documents go; it is charged for as for any upload.
        candidates: the documents.
        cassette: the file to write; an older one is replaced if the recording succeeds.
        listener: is told what happens.

    Raises:
        LongshoreError: nothing could be done; no file is written.
    """
    settings = target.provider.settings
    header = Header(
        provider=target.provider_name,
        scenario=cassette.stem,
        recorded_against="vendor",
        recorded_at=datetime.now(UTC).replace(microsecond=0),
        base_url=settings.base_url,
        seed=secrets.token_hex(8),
        settings={k: v for k, v in target.settings_public.items() if v not in (None, "", {}, [])},
        documents=tuple(_described(candidate.document("")) for candidate in candidates),
    )
    seeded = seeded_environment(
        header,
        lambda: http_transport(connections=1, verify=settings.verify, ca_bundle=settings.ca_bundle),
    )
    environment = replace(seeded, clock=Environment().clock)
    journal = MemoryJournal()
    run = await begin(journal, target, candidates, RunOptions(concurrency=1), environment)
    with recording(cassette, header, Scrubber(secret_values(settings))) as tape:
        report = await execute(journal, target, run, environment, listener=listener)
        if report.trouble is not None and not len(tape):
            raise report.trouble
        return report


def _described(document: Document) -> RecordedDocument:
    return RecordedDocument(
        name=document.name, size=document.size, sha256=sha256_file(document.source)
    )
