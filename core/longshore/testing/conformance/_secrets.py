"""What may be shown holds nothing that must not be; and what was recorded neither."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from longshore.testing.conformance._kit import Kit, Mode
from longshore.testing.conformance._say import expect, skip
from longshore.testing.conformance._uploads import good
from longshore.testing.simulation import play

__all__ = ["SecretChecks"]


class SecretChecks:
    """Redaction, and the hygiene of cassettes."""

    kit: ClassVar[Kit]

    def test_a_session_hides_its_secrets(self, mode: Mode) -> None:
        """The text form of a session shows neither its secrets nor its signed URLs."""
        story = good(self.kit, mode)
        session = story.opened
        shown = repr(session)
        urls = [t.url for t in session.transfers if t.url]
        expect(
            not any(text in shown for text in (*story.secrets, *urls)),
            "repr(session) shows a secret",
            "Session hides secrets, Transfer its URL and headers: do not put them elsewhere",
        )

    def test_data_is_fit_to_be_shown(self, mode: Mode) -> None:
        """What stands in ``data`` of session, receipts and job is no secret."""
        story = good(self.kit, mode)
        shown = json.dumps(
            [story.opened.data, *(r.data for r in story.receipts), story.accepted.data]
            + ([story.setup.data] if story.setup else [])
        )
        urls = [t.url for t in story.opened.transfers if t.url]
        held = [text for text in (*story.secrets, *urls) if len(text) >= 6 and text in shown]
        expect(not held, f"data holds {len(held)} secrets", "secrets go into Session.secrets")

    def test_signed_headers_stay_in_the_transfer(self, mode: Mode) -> None:
        """No receipt, job or status repeats a signed URL or the credential."""
        story = good(self.kit, mode)
        kept = [
            story.job,
            *story.receipts,
            *(s.model_copy(update={"raw": None}) for s in story.statuses),
        ]
        text = " ".join(v.model_dump_json() for v in kept if isinstance(v, BaseModel))
        urls = [t.url for t in story.opened.transfers if t.url]
        held = [t for t in (*self.kit.secrets, *urls) if t in text]
        expect(not held, f"{len(held)} secrets are kept", "they are deleted with the session")

    def test_what_came_holds_no_credential(self, mode: Mode) -> None:
        """The raw replies do not echo the credential."""
        story = good(self.kit, mode)
        text = json.dumps([status.raw for status in story.statuses])
        expect(
            not any(secret in text for secret in self.kit.secrets),
            "raw holds the credential",
            "raw is stored as it came; what echoes the key is not kept",
        )

    def test_the_journal_forgets_the_secrets(self, mode: Mode) -> None:
        """When a batch is over, nothing that the journal shows of it holds a secret."""
        story = good(self.kit, mode)
        history = play(self.kit.case(mode))
        shown = " ".join(f"{record!r}" for record in (*history.units, *history.documents))
        held = [s for s in story.secrets if len(s) >= 6 and s in shown]
        expect(not held, f"{len(held)} secrets in the records", "records are shown by `status`")

    def test_cassettes_are_clean(self, cassette: Path | None) -> None:
        """A recording holds no secret, no local address and nothing too large to be read."""
        if cassette is None:
            skip("the kit was given no folder of cassettes")
        from longshore.testing.cassettes import problems_of

        problems = problems_of(cassette, hosts=self.kit.hosts, secrets=self.kit.secrets)
        expect(not problems, f"{cassette.name}: {'; '.join(problems)}", "fit to be committed")
