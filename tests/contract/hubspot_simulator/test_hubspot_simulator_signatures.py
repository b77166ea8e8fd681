"""The signature functions against vectors published by HubSpot, and two computed by hand."""

from __future__ import annotations

import pytest

from sync_workers.sandbox.hubspot.signatures import sign_v1, sign_v2, sign_v3

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
DOCS = "https://www.example.com/webhook_uri"
OURS = "https://sync.example.com/hooks/hubspot"
CREATION = (
    b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
    b'"changeFlag":"NEW","appId":54321}]'
)


@pytest.mark.parametrize(
    ("uri", "body", "stamp", "expected"),
    [
        pytest.param(
            DOCS,
            b"{'example_field':'example_value'}",
            "1693657560000",
            "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
            id="tests of hubspot-api-python",
        ),
        pytest.param(
            OURS,
            CREATION,
            "1764000000000",
            "ZH/581rvE3Lxt3BwhloBOT8QWNEYZSkjvNDqamXA/jo=",
            id="an array of events",
        ),
        pytest.param(
            OURS,
            '{"note":"Größe 10 mm"}'.encode(),
            "1764000000000",
            "5mEnP7N8s0lAsxF/kayO0DVi4yE7qqT3VWIFFDh1578=",
            id="text beyond ASCII",
        ),
    ],
)
def test_version_3(uri, body, stamp, expected):
    assert sign_v3(SECRET, "POST", uri, body, stamp) == expected


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        ("GET", b"", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"),
        (
            "POST",
            b'{"example_field":"example_value"}',
            "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
        ),
    ],
)
def test_version_2(method, body, expected):
    assert sign_v2(SECRET, method, DOCS, body) == expected


def test_version_1():
    assert sign_v1(SECRET, CREATION) == "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
