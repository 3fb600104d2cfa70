"""Signatures: as the user tells that the vendor signs."""

from __future__ import annotations

import base64
import hmac
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from longshore.errors import ConfigurationError
from longshore.plugins import Plugins
from longshore.targets import load_config
from longshore.webhooks import Signature, signatures_of

BODY = b'{"a": 1}'
NOW = 1_800_000_000.0


def told(**given: Any) -> Signature:
    """Make a signature from what a configuration says."""
    return Signature(**given)


def mac(secret: str, text: bytes = BODY, algorithm: str = "sha256") -> bytes:
    """Sign a text."""
    return hmac.new(secret.encode(), text, algorithm).digest()


def fits(how: Signature, *headers: tuple[str, str], **arguments: Any) -> bool:
    """Check headers over the body, now."""
    return how.fits(headers, BODY, **{"now": NOW, **arguments})


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_algorithms_and_encodings(algorithm: Any, encoding: Any) -> None:
    """The right one fits, in a header of any case; one bit off does not."""
    how = told(header="X-Sig", secret="key-1", algorithm=algorithm, encoding=encoding)
    good = mac("key-1", algorithm=algorithm)
    bad = bytes([good[0] ^ 1]) + good[1:]
    write = bytes.hex if encoding == "hex" else lambda value: base64.b64encode(value).decode()

    assert fits(how, ("x-sig", write(good)))
    assert not fits(how, ("x-sig", write(bad)))


@pytest.mark.parametrize("value", ["", "zz", "\N{SNOWMAN}", "a" * 100_000, "=", "sha256="])
def test_what_is_no_signature_does_not_fit(value: str) -> None:
    """Nothing that comes over the network raises."""
    for encoding in ("hex", "base64"):
        how = told(header="X-Sig", secret="key-1", encoding=encoding)
        assert not fits(how, ("x-sig", value))
    assert not fits(how)


def test_two_secrets_during_a_rotation() -> None:
    """Both the old one and the new one fit; a third does not."""
    how = told(header="X-Sig", secret=["new-1", "old-1"])

    assert [fits(how, ("X-Sig", mac(key).hex())) for key in ("new-1", "old-1", "older")] == [
        True, True, False,
    ]  # fmt: skip


def test_a_time_and_several_signatures_in_one_header() -> None:
    """`t=..,v1=..,v1=..`: any of the signatures, over the time and the body."""
    how = told(
        header="S", secret="key-1", prefix="v1=", timestamp_prefix="t=",
        signed="{timestamp}.{body}", tolerance=300,
    )  # fmt: skip

    def at(stamp: int, key: str = "key-1", shown: int | None = None) -> bool:
        good = mac(key, b"%d." % stamp + BODY).hex()
        return fits(how, ("S", f"t={shown or stamp}, v0=00, v1={'0' * 64}, v1={good}"))

    now = int(NOW)
    assert [at(now), at(now - 300), at(now + 300)] == [True, True, True]
    assert [at(now - 301), at(now + 301), at(now, "other"), at(now - 900, shown=now)] == [False] * 4
    assert not fits(how, ("S", f"v1={mac('key-1', b'.' + BODY).hex()}"))


def test_a_time_in_a_header_of_its_own() -> None:
    """The field is named; what is signed says how they are joined."""
    how = told(header="S", secret="key-1", timestamp_header="T", signed="v0:{timestamp}:{body}")
    good = mac("key-1", b"v0:%d:" % NOW + BODY).hex()

    assert fits(how, ("S", good), ("T", str(int(NOW))))
    assert not fits(how, ("S", good), ("T", str(int(NOW) + 1)))


def test_a_static_bearer_token() -> None:
    """Where a vendor sends a secret instead of a signature."""
    how = told(header="Authorization", secret="tok-123", algorithm="plain", prefix="Bearer ")

    assert fits(how, ("authorization", "Bearer tok-123"))
    assert not fits(how, ("authorization", "Bearer tok-124"))
    assert not fits(how, ("authorization", "tok-123"))


def test_the_secret_of_the_session() -> None:
    """The vendor gave one with the job; without it nothing fits."""
    how = told(header="S", secret="session:webhook")
    good = ("S", mac("wss_1").hex())

    assert fits(how, good, session={"webhook": "wss_1"})
    assert not fits(how, good, session={})
    assert not fits(how, ("S", mac("").hex()), session={"webhook": ""})


@pytest.mark.parametrize(
    "wrong",
    [
        {"signed": "{timestamp}"},
        {"timestamp_header": "T"},
        {"signed": "{timestamp}{body}"},
        {"secret": ""},
        {"secret": []},
        {"algorithm": "md5"},
    ],
)
def test_what_protects_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """A time that is not signed, an empty secret."""
    with pytest.raises(ValidationError):
        told(**{"header": "S", "secret": "key-1", **wrong})


def test_signatures_come_from_the_configuration(tmp_path: Path) -> None:
    """Secrets are references; they are shown nowhere."""
    file = tmp_path / "longshore.toml"
    file.write_text(
        "[targets.my-target]\n"
        '[webhooks.my-target]\nheader = "S"\nsecret = ["env:NEW", "file:old.txt"]\ntolerance="2m"\n'
    )
    (tmp_path / "old.txt").write_text("old-1\n")
    (tmp_path / "old.txt").chmod(0o600)
    config = load_config(file, cwd=tmp_path, environ={})
    found = signatures_of(config, environ={"NEW": "new-1"})["my-target"]

    assert [secret.get_secret_value() for secret in found.secret] == ["new-1", "old-1"]
    assert found.tolerance == 120.0
    assert "new-1" not in repr(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('header = "S"', "secret"),
        ('header = "S"\nsecret = "key-1-secret"\nwrong = 1', "no setting 'wrong'"),
        ('headr = "S"\nsecret = "key-1-secret"', "no setting 'headr'"),
        ('header = "S"\nsecret = "key-1-secret"\nsigned = "x"', "body"),
        ('header = "S"\nsecret = "env:NOT_SET"', "NOT_SET"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The message says where and what, and never quotes a secret."""
    file = tmp_path / "longshore.toml"
    file.write_text(f"[targets.x]\n[webhooks.x]\n{text}\n")
    config = load_config(file, cwd=tmp_path, environ={})
    with pytest.raises(ConfigurationError, match=said) as caught:
        signatures_of(config, environ={})

    assert "key-1-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "text", "hint"),
    [
        ("drawngs", "", "did you mean drawings?"),
        ("drawings", "prefx = 'sha256='", "did you mean prefix?"),
    ],
)
def test_a_misspelt_table_is_told(tmp_path: Path, table: str, text: str, hint: str) -> None:
    """Else the deliveries of that target would be taken on their token alone."""
    file = tmp_path / "longshore.toml"
    file.write_text(
        f'[targets.drawings]\n[webhooks.{table}]\nheader = "S"\nsecret = "key-1"\n{text}\n'
    )
    config = load_config(file, cwd=tmp_path, environ={})
    with pytest.raises(ConfigurationError, match=f"webhooks.{table}") as caught:
        signatures_of(config, environ={}, plugins=Plugins.of())

    assert caught.value.hint == hint
