"""Replies that are not what the documentation shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from pydantic import BaseModel

from longshore.errors import LongshoreError
from longshore.lifecycle import State
from longshore.provider import Response
from longshore.testing.conformance._kit import Kit, Mode
from longshore.testing.conformance._mutate import (
    BODIES,
    Path,
    at,
    json_of,
    other_type,
    paths,
    replaced,
    with_body,
    with_unknown,
    with_word,
    without,
)
from longshore.testing.conformance._say import as_stored, expect, in_tree, skip, told
from longshore.testing.conformance._story import Spot, Story, calm, disturb, request_at, tell
from longshore.testing.conformance._uploads import good

__all__ = ["ODD_ID", "ReplyChecks"]

ODD_ID = "longshore-no-such-thing/../?x=1#y"
"""What an id would be if somebody wished to be asked for something else."""

_UNKNOWN_WORD = "longshore-unheard-of"


class ReplyChecks:
    """Unknown fields, missing fields, wrong bodies, words."""

    kit: ClassVar[Kit]

    def test_unknown_fields_do_no_harm(self, json_reply: Spot) -> None:
        """A reply with fields that nobody knows is as good as without."""
        one = calm(self.kit, json_reply.mode, json_reply.script)
        other = self._with(json_reply, lambda value: with_unknown(value, self.kit.maps))
        expect(
            other.error is None and _ends(one) == _ends(other),
            f"unknown fields in the reply to {json_reply}: {told(other.error)}",
            "vendors add fields; what is unknown is kept in raw and otherwise ignored",
        )

    def test_fields_may_be_missing(self, json_reply: Spot) -> None:
        """A reply without one of its fields is used all the same, or refused by name."""
        for field, story in self._each_field(json_reply, without):
            self._fine(story, f"without {field}")

    def test_fields_may_be_null(self, json_reply: Spot) -> None:
        """A reply in which one field is null is used all the same, or refused by name."""
        for field, story in self._each_field(json_reply, lambda v, path: replaced(v, path, None)):
            self._fine(story, f"null in {field}")

    def test_fields_may_be_of_another_type(self, json_reply: Spot) -> None:
        """A reply in which one field has another type is used all the same, or refused by name."""
        for field, story in self._each_field(json_reply, _of_another_type):
            self._fine(story, f"another type in {field}")

    def test_ids_of_a_reply_are_quoted(self, json_reply: Spot) -> None:
        """No text of a reply, such as an id, gets into a path of the vendor's as it came."""
        for field, story in self._each_field(json_reply, _with_odd_id):
            bad = [sent.label for sent in story.pier.sent if "/../" in sent.call.url]
            expect(
                not bad,
                f"{field} is in the URL of {bad} as it came",
                "an id comes from a reply: it is quoted before it goes into a path",
            )

    def test_any_body_is_survived(self, spot: Spot, body: str) -> None:
        """A reply that is empty, cut off, HTML or no text at all never makes the flow fall over."""
        _, reply = request_at(self.kit, spot)
        if body == "half surrogates" and json_of(reply) is None:
            return  # there is no text in it that could hold one
        story = disturb(
            self.kit, spot, lambda deliver: with_body(deliver(), BODIES[body](reply.body))
        )
        self._fine(story, f"{body} as the reply to {spot}")

    # ------------------------------------------------------------------ words

    def test_an_unknown_word_runs_on(self, mode: Mode) -> None:
        """A word for a job's state that nobody knows is ``running``, and is kept."""
        status = self._said(mode, _UNKNOWN_WORD)
        expect(
            status[0] is State.RUNNING and status[1].casefold() == _UNKNOWN_WORD,
            f"{_UNKNOWN_WORD!r} is {status}",
            "vendors add words; a word that is taken for an end would end the polls too early",
        )

    def test_every_word_is_known(self, known_word: tuple[str, State] | None) -> None:
        """Each word of the vendor's means what the author says that it means."""
        if known_word is None:
            skip("the kit was given no words")
        word, state = known_word
        said = self._said(self.kit.modes[0], word)
        expect(
            said[0] is state and said[1].casefold() == word.casefold(),
            f"{word!r} is taken for {said}",
            f"the vendor means {state}",
        )

    def _said(self, mode: Mode, word: str) -> tuple[State, str]:
        """Poll a job whose vendor uses another word, everywhere in its reply."""
        story = good(self.kit, mode)
        before, job = story.statuses[-1].word, story.accepted
        if word == before:
            return story.statuses[-1].state, before
        pier = tell(self.kit, mode).pier
        _, reply = list(story.of("poll"))[-1]
        value = json_of(reply) if reply else None
        if value is None or with_word(value, before, word) == value:
            skip(f"the word {before!r} does not stand in the reply")

        def changed(_sent: object, deliver: Callable[[], Response]) -> Response:
            came = deliver()
            return with_body(came, json.dumps(with_word(json_of(came), before, word)).encode())

        pier.between = changed
        status = pier.poll(job)
        return status.state, status.word

    # ------------------------------------------------------------------ within

    def _with(self, spot: Spot, change: Callable[[Any], Any]) -> Story:
        def act(deliver: Callable[[], Response]) -> Response:
            came = deliver()
            value = json_of(came)
            return came if value is None else with_body(came, json.dumps(change(value)).encode())

        return disturb(self.kit, spot, act)

    def _each_field(
        self, spot: Spot, change: Callable[[Any, Path], Any]
    ) -> Iterator[tuple[str, Story]]:
        """Tell the story with each field of a reply changed; say which field it was."""
        _, reply = request_at(self.kit, spot)
        for path in paths(json_of(reply)):
            story = self._with(spot, lambda v, p=path: _if_there(change, v, p))  # type: ignore[misc]
            yield f"{'.'.join(map(str, path))} of the reply to {spot}", story

    def _fine(self, story: Story, what: str) -> None:
        expect(
            in_tree(story.error),
            f"{what}: {told(story.error)}",
            "a reply that cannot be used is a ProtocolError (use Response.parse); no other "
            "exception leaves a flow",
        )
        if isinstance(story.error, LongshoreError):
            text = f"{story.error.message} {story.error.hint}"
            expect("\n" not in text, f"{what}: {text!r}", "a message is one line")
            expect(
                not story.shows_secret(),
                f"{what}: the message shows a secret: {text}",
                "what came is shown by excerpt(), which hides what is named as a secret",
            )
            return
        for _, _, returned in story.flows:
            if not isinstance(returned, BaseModel):
                continue
            try:
                as_stored(returned)
            except (ValueError, TypeError) as error:
                expect(False, f"{what}: {returned!r}: {error}", "what flows return can be stored")


def _of_another_type(value: Any, path: Path) -> Any:
    return replaced(value, path, other_type(at(value, path)))


def _with_odd_id(value: Any, path: Path) -> Any:
    """Change a text that may be an id; what has a slash is a path, or a URL."""
    text = at(value, path)
    return replaced(value, path, ODD_ID) if isinstance(text, str) and "/" not in text else value


def _if_there(change: Callable[[Any, Path], Any], value: Any, path: Path) -> Any:
    """Change a field, unless this reply has it not."""
    try:
        return change(value, path)
    except (KeyError, IndexError, TypeError):
        return value


def _ends(story: Story) -> object:
    """What a story comes to."""
    last = story.statuses[-1].state if story.statuses else None
    return story.job, last, story.receipts
