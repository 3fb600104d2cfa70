"""Signatures against the examples that AWS publishes, and what breaks them."""

from __future__ import annotations

from calendar import timegm
from typing import Any

import pytest

from longshore.sandbox import Credentials, SignatureRefused, presign_v2, presign_v4, verify

AWS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SIGNED_AT = float(timegm((2013, 5, 24, 0, 0, 0)))
V4 = (
    "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)
V2 = (
    "https://johnsmith.s3.amazonaws.com/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"
    "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
)
# A URL made by AWS's own Python client (botocore): access key AK1, secret key sk/1.
BOTO = Credentials("AK1", "sk/1", "eu-central-1")
BOTO_PART = (
    "https://b-1.s3.eu-central-1.amazonaws.com/k/x"
    "?uploadId=8f4ffccb2b2fa68d7303ccd15900f49f4eae2018&partNumber=3"
    "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AK1%2F20261121%2Feu-central-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20261121T221405Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=e0e48c3823799e2a3eecf835d1aa7bb513e6977c0042a3968003e17a24c16dc6"
)


def code_of(url: str, credentials: Credentials = AWS, **changes: Any) -> str:
    asked: dict[str, Any] = {"method": "GET", "headers": {}, "now": SIGNED_AT, "resource": "/b/k"}
    try:
        verify(url=url, credentials=credentials, **(asked | changes))
    except SignatureRefused as error:
        return error.code
    return "accepted"


def test_version_4_signs_as_aws_documents() -> None:
    """The published example of a presigned GET comes out to the letter."""
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    assert presign_v4("GET", url, AWS, now=SIGNED_AT, expires=86400) == V4
    assert code_of(V4) == "accepted"


def test_version_2_signs_as_aws_documents() -> None:
    """The published example of query string authentication comes out to the letter."""
    url, resource = (
        "https://johnsmith.s3.amazonaws.com/photos/puppy.jpg",
        "/johnsmith/photos/puppy.jpg",
    )
    assert presign_v2("GET", url, AWS, resource=resource, now=1175139600, expires=20) == V2
    assert code_of(V2, resource=resource, now=1175139620) == "accepted"


def test_a_part_url_of_another_client_is_accepted() -> None:
    """A part URL signed by AWS's own client verifies, query parameters included."""
    signed_at = timegm((2026, 11, 21, 22, 14, 5))
    assert code_of(BOTO_PART, BOTO, method="PUT", now=signed_at) == "accepted"
    other = BOTO_PART.replace("partNumber=3", "partNumber=4")
    assert code_of(other, BOTO, method="PUT", now=signed_at) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("url", "changes", "code"),
    [
        (V4, {"method": "PUT"}, "SignatureDoesNotMatch"),
        (V4.replace("test.txt", "test2.txt"), {}, "SignatureDoesNotMatch"),
        (V4.replace("examplebucket", "other"), {}, "SignatureDoesNotMatch"),
        (V4 + "&versionId=1", {}, "SignatureDoesNotMatch"),
        (V4.replace("86400", "86401"), {}, "SignatureDoesNotMatch"),
        (V4, {"now": SIGNED_AT + 86400}, "accepted"),
        (V4, {"now": SIGNED_AT + 86401}, "AccessDenied"),
        (V4, {"now": SIGNED_AT - 901}, "AccessDenied"),
        (V4.replace("86400", "604801"), {}, "AuthorizationQueryParametersError"),
        (V4.replace("us-east-1", "eu-west-1"), {}, "AuthorizationQueryParametersError"),
        (V4.replace("20130524T", "2013-0524T"), {}, "AuthorizationQueryParametersError"),
        (V4.replace("7EXAMPLE", "8EXAMPLE"), {}, "InvalidAccessKeyId"),
        (V4, {"headers": {"Authorization": "Bearer x"}}, "InvalidArgument"),
        (V4, {"headers": {"X-Amz-Acl": "public-read"}}, "AccessDenied"),
        (V4 + "&Signature=x", {}, "InvalidArgument"),
        ("https://b.example/k", {}, "AccessDenied"),
        (V2, {"now": 1175139621.0}, "AccessDenied"),
        (V2, {"now": 1.0, "resource": "/johnsmith/other"}, "SignatureDoesNotMatch"),
        (V2.replace("Expires=1", "Expires=x"), {}, "AccessDenied"),
        (V2.replace("7EXAMPLE", "8EXAMPLE"), {"now": 1.0}, "InvalidAccessKeyId"),
    ],
)
def test_what_breaks_a_signature(url: str, changes: dict[str, Any], code: str) -> None:
    """Each change of the URL, method, header or time gets the code that S3 documents."""
    assert code == code_of(url, **changes)


@pytest.mark.parametrize("version", [2, 4])
def test_signed_headers_must_come_as_signed(version: int) -> None:
    """A signed content type and checksum header must arrive unchanged under both versions."""
    headers = {"Content-Type": "image/tiff", "x-amz-checksum-sha256": "abc"}
    url = "https://s3.example/b/k%20x"
    if version == 4:
        signed = presign_v4("PUT", url, AWS, now=SIGNED_AT, expires=60, headers=headers)
    else:
        signed = presign_v2(
            "PUT", url, AWS, resource="/b/k%20x", now=SIGNED_AT, expires=60, headers=headers
        )
    asked: dict[str, Any] = {"method": "PUT", "resource": "/b/k%20x"}
    assert code_of(signed, **asked, headers=headers) == "accepted"
    for changed in ({**headers, "Content-Type": "text/plain"}, {"Content-Type": "image/tiff"}, {}):
        assert code_of(signed, **asked, headers=changed) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("url", [V2, V4])
def test_a_signature_may_be_any_text(url: str) -> None:
    """What is no signature at all is refused as a wrong one."""
    odd = url.replace("Signature=", "Signature=%C3%A9%FF")
    now = 1175139000.0 if url == V2 else SIGNED_AT

    assert code_of(odd, now=now) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (V4.replace("20130524", "20131345"), "AuthorizationQueryParametersError"),
        (V4.replace("Expires=86400", "Expires=" + "9" * 5000), "AuthorizationQueryParametersError"),
        (V2.replace("Expires=1175139620", "Expires=" + "9" * 5000), "AccessDenied"),
    ],
)
def test_what_is_no_time_is_refused(url: str, code: str) -> None:
    """A day that is in no calendar, and numbers longer than any: they come from anybody."""
    assert code_of(url) == code
