"""Files that change, go, or cannot be opened around a request."""

from __future__ import annotations

import errno

import pytest

from longshore.errors import SourceChanged, SourceMissing, SourceUnreadable
from longshore.provider import Request, Response
from longshore.transfer import AnswerLost, NotSent
from tests.transfer.driving import FORM, OK, PUT, World


def test_a_file_changed_before_is_not_sent() -> None:
    """Not a byte of it; nor one that is gone."""
    world = World(changed=True)
    with pytest.raises(SourceChanged):
        world.exchange(PUT)
    world.changed, world.gone = False, True
    with pytest.raises(SourceMissing):
        world.exchange(PUT)
    assert (world.sent, world.tally.requests) == ([], 0)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("request_", [PUT, FORM])
def test_without_another_file_to_open_a_request_waits(request_: Request, number: int) -> None:
    """This machine has too many open: nothing is wrong with the document, so it does not fail."""
    world = World(unopened=[OSError(number, "Too many open files")] * 2)
    assert world.exchange(request_) == OK
    assert (len(world.sent), world.tally.requests, world.tally.retries) == (1, 1, 2)
    assert world.time > 1000.0


def test_a_file_that_cannot_be_opened_fails_at_once() -> None:
    """Permission or a broken disk does not pass by itself."""
    world = World(unopened=[OSError(errno.EACCES, "Permission denied")])
    with pytest.raises(SourceUnreadable, match="Permission denied"):
        world.exchange(PUT)
    assert world.tally.retries == 0


def test_a_file_changed_while_it_was_sent_is_no_success() -> None:
    """The vendor's 200 is for bytes that nobody planned."""
    world = World()

    def change() -> Response:
        world.changed = True
        return OK

    world.answers = [change]
    with pytest.raises(SourceChanged):
        world.exchange(PUT)


@pytest.mark.parametrize(
    ("first", "acted"),
    [
        (Response(500), True),
        (AnswerLost("no answer"), True),
        (Response(429), False),
        (NotSent("connection refused"), False),
    ],
)
def test_a_file_gone_before_a_retry_tells_what_the_first_try_may_have_done(
    first: Response | Exception, acted: bool
) -> None:
    """The vendor may be at work on what an earlier try carried."""
    world = World()

    def vanish() -> Response:
        world.gone = True
        if isinstance(first, Exception):
            raise first
        return first

    world.answers = [vanish]
    with pytest.raises(SourceMissing) as caught:
        world.exchange(PUT)
    assert (caught.value.sent, len(world.sent)) == (acted, 1)
