"""The promises of ``sync_workers.connectors.contract``, kept by every connector in the registry."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sync_workers.connectors import registry
from sync_workers.connectors.contract import Cursor, Finding, Limits, Native, Outcome, Page, Request, Variant
from sync_workers.errors import (
    Exists,
    Malformed,
    PermanentError,
    Refused,
    SyncError,
    SystemDown,
    Throttled,
    TransientError,
    Unsure,
)
from tests.contract.harness import Bench, benches, closed_port, now, shows

WINDOW = timedelta(minutes=5)


@pytest.fixture
def record(bench: Bench, kind: str) -> Native:
    return bench.connector.write(bench.creation(kind))


def delivery(bench: Bench, kind: str, record_id: str, **at: Any) -> Request:
    made = bench.delivery(kind, record_id, **({"at": now()} | at))
    if made is None:
        pytest.skip(f"{bench.platform} pushes nothing")
    return made


def stage(bench: Bench, what: Any, kind: str) -> None:
    if bench.trouble(what, kind) is None:
        pytest.skip(f"{bench.platform}: {what} cannot be staged here")


def drain(bench: Bench, kind: str, cursor: Cursor) -> tuple[list[str], Cursor]:
    """Follow ``changes`` to its end, as a poller does."""
    seen: list[str] = []
    for _ in range(500):
        page: Page = bench.connector.changes(kind, cursor)
        seen += [notice.external_id for notice in page.notices]
        assert page.cursor != cursor or not page.more, "the cursor stands still while more is promised"
        cursor = page.cursor
        if not page.more:
            return seen, cursor
    raise AssertionError("changes never ended")


# -- the registry


def test_every_platform_of_the_registry_has_a_bench() -> None:
    assert set(registry.PLATFORMS) <= set(benches())


def test_a_connector_says_who_it_is(bench: Bench) -> None:
    assert bench.connector.platform == bench.platform
    assert bench.connector.system == bench.settings().name
    assert isinstance(bench.connector.limits, Limits)


def test_every_kind_has_its_traits(bench: Bench, kind: str) -> None:
    traits = bench.connector.traits(kind)
    assert traits.variant in Variant
    assert traits.batch >= 1
    assert traits.find_lag >= timedelta(0)
    assert traits.variant is not Variant.T3 or traits.find_lag > timedelta(0)


def test_the_default_paths_can_be_read(bench: Bench) -> None:
    assert registry.default_paths(bench.platform)


# -- deliveries


def test_a_genuine_delivery_is_accepted_and_split(bench: Bench, record: Native, kind: str) -> None:
    request = delivery(bench, kind, record.id)
    bench.connector.verify(request)
    notices = bench.connector.events(request)
    assert (kind, record.id) in [(notice.kind, notice.external_id) for notice in notices]


@pytest.mark.parametrize("age", [WINDOW + timedelta(seconds=30), -WINDOW - timedelta(seconds=30)], ids=str)
def test_a_delivery_outside_the_window_is_refused(
    bench: Bench, record: Native, kind: str, age: timedelta
) -> None:
    request = replace(delivery(bench, kind, record.id, at=now() - age), received_at=now())
    with pytest.raises(Refused):
        bench.connector.verify(request)


def test_a_delivery_with_one_byte_changed_is_refused(bench: Bench, record: Native, kind: str) -> None:
    request = delivery(bench, kind, record.id)
    for at in (0, len(request.body) // 2, len(request.body) - 1):
        body = request.body[:at] + bytes([request.body[at] ^ 1]) + request.body[at + 1 :]
        with pytest.raises(Refused):
            bench.connector.verify(replace(request, body=body))


def test_a_delivery_without_its_signature_is_refused(bench: Bench, record: Native, kind: str) -> None:
    request = delivery(bench, kind, record.id)
    with pytest.raises(Refused):
        bench.connector.verify(replace(request, headers={}))
    nonsense = dict.fromkeys(request.headers, "ü\x00 none")
    with pytest.raises(Refused):
        bench.connector.verify(replace(request, headers=nonsense))


def test_no_delivery_is_genuine_without_a_secret(bench: Bench, record: Native, kind: str) -> None:
    request = delivery(bench, kind, record.id)
    with pytest.raises(Refused):
        bench.build(bench.settings(webhook_secret=None)).verify(request)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"{", b"null", b"7", b'{"events": 7}', b"[[]]", b"[" * 5000, b'{"events":[{}]}'],
)
def test_a_delivery_that_cannot_be_read_is_malformed(bench: Bench, body: bytes) -> None:
    if not bench.pushes:
        pytest.skip(f"{bench.platform} pushes nothing")
    request = Request("POST", "https://sync.example.com/hooks/x", {}, body, now())
    with pytest.raises(Malformed):
        bench.connector.events(request)


def test_the_same_delivery_has_the_same_keys(bench: Bench, record: Native, kind: str) -> None:
    request = delivery(bench, kind, record.id)
    assert bench.connector.events(request) == bench.connector.events(request)


def test_every_outcome_has_a_status_that_loses_nothing(bench: Bench) -> None:
    statuses = {outcome: bench.connector.answer(outcome) for outcome in Outcome}
    assert statuses[Outcome.TRY_LATER] == 503
    assert 200 <= statuses[Outcome.ACCEPTED] < 300
    assert statuses[Outcome.REFUSED] >= 400


# -- reading and writing


def test_an_absent_record_is_none(bench: Bench, kind: str, record: Native) -> None:
    far = "".join("9" if letter.isdigit() else letter for letter in record.id)
    assert bench.connector.read(kind, far) is None


def test_what_was_created_is_read_back_equal(bench: Bench, kind: str) -> None:
    write = bench.creation(kind)
    answered = bench.connector.write(write)
    read = bench.connector.read(kind, answered.id)
    assert read is not None
    assert shows(bench, read.fields, write.fields) == []
    assert shows(bench, answered.fields, write.fields) == []
    assert not read.archived


def test_a_partial_update_leaves_the_rest_alone(bench: Bench, kind: str) -> None:
    write = bench.creation(kind)
    before = bench.connector.write(write)
    edit = bench.edit(kind, bench.number())
    answered = bench.connector.write(bench.update(kind, before.id, edit))
    after = bench.connector.read(kind, before.id)
    assert after is not None
    assert shows(bench, after.fields, edit) == []
    assert shows(bench, answered.fields, edit) == []
    changed = {
        path
        for path in _leaves(before.fields)
        if _leaves(before.fields)[path] != _leaves(after.fields).get(path)
    }
    assert set(_leaves(edit)) & changed
    assert shows(bench, after.fields, _without(write.fields, edit)) == []


def test_many_are_read_by_the_id_that_was_asked_for(bench: Bench, kind: str) -> None:
    ids = [bench.connector.write(bench.creation(kind)).id for _ in range(3)]
    far = "".join("9" if letter.isdigit() else letter for letter in ids[0])
    found = bench.connector.read_many(kind, [*ids, far])
    assert set(found) == set(ids)
    assert all(found[each].id == each for each in ids)


def test_a_record_is_found_by_our_reference(bench: Bench, kind: str) -> None:
    path = bench.references[kind]
    if not path:
        pytest.skip(f"{bench.platform}: {kind} has no field for our reference")
    write = bench.creation(kind)
    created = bench.connector.write(write)
    bench.wait_for_index()
    assert [native.id for native in bench.connector.find(kind, path, write.reference)] == [created.id]
    assert bench.connector.find(kind, path, f"{write.reference}-other") == []


def test_an_archived_record_is_found_and_marked(bench: Bench, kind: str) -> None:
    path = bench.references[kind]
    if not path:
        pytest.skip(f"{bench.platform}: {kind} has no field for our reference")
    write = bench.creation(kind)
    created = bench.connector.write(write)
    if bench.person_archives(kind, created.id) is None:
        pytest.skip(f"{bench.platform}: deleting {kind} leaves no trace")
    bench.wait_for_index()
    found = bench.connector.find(kind, path, write.reference)
    assert [(native.id, native.archived) for native in found] == [(created.id, True)]
    read = bench.connector.read(kind, created.id)
    assert read is not None
    assert read.archived


def test_a_second_create_is_refused_where_the_platform_has_a_unique_key(bench: Bench, kind: str) -> None:
    write = bench.creation(kind)
    first = bench.connector.write(write)
    if bench.connector.traits(kind).variant is Variant.T1:
        with pytest.raises(Exists) as exists:
            bench.connector.write(write)
        assert exists.value.external_id in (first.id, None)
        return
    bench.wait_for_index()
    path = bench.references[kind]
    if path and bench.connector.traits(kind).variant is Variant.T2:
        assert [native.id for native in bench.connector.find(kind, path, write.reference)] == [first.id]


def test_a_stale_precondition_refuses_the_write(bench: Bench, kind: str, record: Native) -> None:
    if not bench.connector.traits(kind).preconditions:
        pytest.skip(f"{bench.platform}: {kind} has no preconditions")
    bench.person_edits(kind, record.id)
    with pytest.raises(TransientError):
        bench.connector.write(
            bench.update(kind, record.id, bench.edit(kind, bench.number()), version=record.version)
        )
    current = bench.connector.read(kind, record.id)
    assert current is not None
    edit = bench.edit(kind, bench.number())
    bench.connector.write(bench.update(kind, record.id, edit, version=current.version))


def test_a_poison_item_fails_alone(bench: Bench) -> None:
    kind = bench.batch_kind
    if kind is None:
        pytest.skip(f"{bench.platform} takes no batches")
    records = [bench.connector.write(bench.creation(kind)) for _ in range(5)]
    edits = [bench.edit(kind, bench.number()) for _ in records]
    poison = bench.poison(kind)
    writes = [bench.update(kind, each.id, edit) for each, edit in zip(records, edits, strict=True)]
    if poison is not None:
        writes[2] = replace(writes[2], fields=poison)
    results = bench.connector.write_many(writes)
    assert len(results) == 5
    for at, (result, edit) in enumerate(zip(results, edits, strict=True)):
        if at == 2 and poison is not None:
            assert isinstance(result, PermanentError)
        else:
            assert isinstance(result, Native)
            assert result.id == records[at].id
            assert shows(bench, result.fields, edit) == []


def test_an_empty_batch_is_no_call(bench: Bench) -> None:
    assert list(bench.connector.write_many([])) == []


# -- polling


def test_every_change_is_seen_whatever_its_stamp(bench: Bench, kind: str) -> None:
    created = [bench.connector.write(bench.creation(kind)).id for _ in range(12)]
    bench.wait_for_index()
    seen, cursor = drain(bench, kind, Cursor())
    assert set(created) <= set(seen)
    for each in (created[0], created[7]):
        bench.person_edits(kind, each)
    bench.wait_for_index()
    seen, again = drain(bench, kind, cursor)
    assert {created[0], created[7]} <= set(seen)
    assert again.at is None or cursor.at is None or again.at >= cursor.at


def test_an_edit_right_after_a_poll_is_seen_by_the_next(bench: Bench, kind: str, record: Native) -> None:
    bench.wait_for_index()
    _, cursor = drain(bench, kind, Cursor())
    for _ in range(3):
        bench.person_edits(kind, record.id)
        bench.wait_for_index()
        seen, cursor = drain(bench, kind, cursor)
        assert record.id in seen


def test_the_full_sweep_lists_every_id_once(bench: Bench, kind: str) -> None:
    created = {bench.connector.write(bench.creation(kind)).id for _ in range(7)}
    seen: list[str] = []
    after = ""
    while page := bench.connector.ids(kind, after):
        seen += page
        after = page[-1]
    assert created <= set(seen)
    assert len(seen) == len(set(seen))


# -- metadata


def test_the_metadata_names_the_paths_in_use(bench: Bench, kind: str, record: Native) -> None:
    fields = bench.connector.describe(kind)
    missing = [path for path in bench.paths[kind] if path not in fields]
    assert missing == []


def test_the_doctor_finds_nothing_after_a_fix(bench: Bench) -> None:
    bench.connector.examine(bench.paths, fix=True)
    findings: list[Finding] = bench.connector.examine(bench.paths)
    assert findings
    assert [finding for finding in findings if not finding.ok] == []


def test_the_doctor_says_that_a_system_is_not_reachable(bench: Bench) -> None:
    lost = bench.build(bench.settings(base_url=f"http://127.0.0.1:{closed_port()}"))
    findings = lost.examine(bench.paths)
    assert any(not finding.ok and finding.mend for finding in findings)


# -- errors, sorted


def test_a_refused_connection_means_that_nothing_was_sent(bench: Bench, kind: str) -> None:
    lost = bench.build(bench.settings(base_url=f"http://127.0.0.1:{closed_port()}"))
    with pytest.raises(TransientError) as caught:
        lost.write(bench.creation(kind))
    assert not isinstance(caught.value, Throttled)
    with pytest.raises(TransientError):
        lost.read(kind, "1")


@pytest.mark.parametrize("what", ["commit_503", "commit_drop", "half", "drop"])
def test_a_create_that_went_out_and_was_not_answered_is_unsure(bench: Bench, kind: str, what: str) -> None:
    write = bench.creation(kind)
    stage(bench, what, kind)
    with pytest.raises(Unsure):
        bench.connector.write(write)
    bench.untroubled()
    path = bench.references[kind]
    if path:
        bench.wait_for_index()
        found = bench.connector.find(kind, path, write.reference)
        assert len(found) == (0 if what == "drop" else 1)


def test_a_dripping_answer_ends_with_the_budget(bench: Bench, kind: str) -> None:
    stage(bench, "drip", kind)
    started = time.monotonic()
    with pytest.raises(Unsure):
        bench.connector.write(replace(bench.creation(kind), budget_s=3.0))  # time for the reads that come before it
    assert time.monotonic() - started < 15  # the whole answer would take longer than a minute


def test_a_throttled_write_was_not_carried_out_and_says_when_to_come_back(bench: Bench, kind: str) -> None:
    stage(bench, "429", kind)
    with pytest.raises(Throttled) as caught:
        bench.connector.write(bench.creation(kind))
    assert caught.value.wait is not None
    assert caught.value.wait > timedelta(0)


def test_a_secret_never_appears_in_an_error(bench: Bench, kind: str) -> None:
    caught: list[SyncError] = []
    lost = bench.build(bench.settings(base_url=f"http://127.0.0.1:{closed_port()}"))
    for verb in (lambda: lost.read(kind, "1"), lambda: lost.write(bench.creation(kind))):
        with pytest.raises(SyncError) as error:
            verb()
        caught.append(error.value)
    if bench.trouble("commit_503", kind) is not None:
        with pytest.raises(SyncError) as error:
            bench.connector.write(bench.creation(kind))
        caught.append(error.value)
    for each in caught:
        for secret in bench.secrets():
            assert secret not in f"{each} {each.mend} {each.args}"


def test_wrong_credentials_mean_that_the_system_is_down_for_us(bench: Bench, kind: str) -> None:
    options = {
        name: "wrong-credential" if name in ("token", "password", "key") else value
        for name, value in bench.settings().options.items()
    }
    if options == dict(bench.settings().options):
        pytest.skip(f"{bench.platform}: its settings hold no credential by these names")
    stranger = bench.build(bench.settings(options=options))
    with pytest.raises(SystemDown) as caught:
        stranger.read(kind, "1")
    assert caught.value.mend


def _leaves(fields: Any, path: str = "") -> dict[str, str]:
    if isinstance(fields, dict):
        return {
            key: value
            for name, inner in fields.items()
            for key, value in _leaves(inner, f"{path}.{name}").items()
        }
    return {path: str(fields)}


def _without(fields: Any, edit: Any) -> Any:
    """Return ``fields`` less what ``edit`` sets."""
    if not isinstance(fields, dict) or not isinstance(edit, dict):
        return fields
    return {
        name: _without(value, edit[name]) if isinstance(edit.get(name), dict) else value
        for name, value in fields.items()
        if name not in edit or isinstance(edit[name], dict)
    }
