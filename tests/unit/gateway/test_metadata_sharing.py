"""What one process has asked, another one believes: where it may, for as long as it may."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Dict, List

import pytest
from attrs import evolve

from alluxiofs.gateway import Gateway, Metadata, metadata
from alluxiofs.gateway.notes import Moment, decode, encode
from alluxiofs.interfaces import Deadline, Entry, Target, UnderStoreCapabilities
from tests.unit.gateway.conftest import Assembled
from tests.unit.gateway.noting import Noting

TTL = 1000.0


@pytest.fixture
def notes() -> Dict[bytes, bytes]:
    return {}


@pytest.fixture
def process(assemble: Callable[..., Assembled], notes: Dict[bytes, bytes]) -> Callable[..., Assembled]:
    """A gateway that shares files and notes with the others."""
    files: Dict[str, Any] = {f"d/{number:02}": None for number in range(20)}

    def make(**arguments: Any) -> Assembled:
        assembled = assemble(page_store=Noting(notes), **{"metadata_ttl": TTL, **arguments})
        for name in [name for name, file in files.items() if file is None]:
            assembled.store.put(name, name.encode())
            files[name] = assembled.store.files[name]
        assembled.store.files = files
        return assembled

    return make


def look(gateway: Gateway) -> Any:
    """All that can be looked at."""
    directory = gateway.locate("d")
    listing = gateway.list(directory)
    return (
        gateway.stat(directory),
        listing,
        gateway.list_recursive(directory),
        [gateway.stat(gateway.child(directory, entry.name)) for entry in listing],
    )


def test_what_one_has_asked_costs_others_no_request(process: Callable[..., Assembled]) -> None:
    one, other = process(), process()
    seen = look(one.gateway)
    assert look(other.gateway) == seen
    assert other.store.calls == []
    assert other.data("d/07") == b"d/07"
    assert [call[0] for call in other.store.calls] == ["read"]


def test_a_listing_is_read_once_for_all_that_is_in_it(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes]
) -> None:
    one, other = process(), process()
    one.gateway.list(one.gateway.locate("d"))
    assert len(notes) == 1
    assert other.gateway.stat(other.gateway.locate("d/07")).size == 4
    notes.clear()
    for number in range(20):
        other.gateway.stat(other.gateway.locate(f"d/{number:02}"))
    other.gateway.list(other.gateway.locate("d"))
    assert other.store.calls == []


def test_a_stat_is_noted_by_itself(process: Callable[..., Assembled], notes: Dict[bytes, bytes]) -> None:
    one, other = process(), process()
    entry = one.gateway.stat(one.gateway.locate("d/07"))
    assert len(notes) == 1
    assert other.gateway.stat(other.gateway.locate("d/07")) == entry
    assert other.store.calls == []


def test_each_believes_for_its_own_time_to_live(process: Callable[..., Assembled]) -> None:
    one, other = process(), process(metadata_ttl=1e-6)
    look(one.gateway)
    other.gateway.stat(other.gateway.locate("d/07"))
    other.gateway.list(other.gateway.locate("d"))
    assert [call[0] for call in other.store.calls] == ["stat", "list"]


def changed_moments(notes: Dict[bytes, bytes], change: Callable[[Moment], Moment]) -> None:
    for key, note in list(notes.items()):
        told = decode(note)
        assert told is not None
        found = told.entries()
        assert found is not None
        changed = encode(told.about, change(told.asked), found)
        assert changed is not None
        notes[key] = changed


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: evolve(asked, monotonic=asked.monotonic - TTL, wall=asked.wall - TTL),
        lambda asked: evolve(asked, monotonic=asked.monotonic + 60, wall=asked.wall + 60),
        lambda asked: evolve(asked, wall=asked.wall + 60),
        lambda asked: evolve(asked, wall=asked.wall - 60),
        lambda asked: evolve(asked, start="another one"),
    ],
    ids=["too long ago", "in the future", "the clock was set back", "the clock was set forward", "before a restart"],
)
def test_a_note_of_another_time_is_not_believed(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes], change: Callable[[Moment], Moment]
) -> None:
    one, other = process(), process()
    for assembled in (one, other):
        assembled.gateway.stat(assembled.gateway.locate("d/07"))
        assembled.gateway.list(assembled.gateway.locate("d"))
        changed_moments(notes, change)
    assert [call[0] for call in other.store.calls] == ["stat", "list"]


def test_a_note_is_believed_from_when_it_was_asked_for(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "_process", metadata._Process())  # other tests have forgotten things since then
    one, other = process(), process()
    one.gateway.stat(one.gateway.locate("d/07"))
    nearly = TTL - 10
    changed_moments(notes, lambda asked: evolve(asked, monotonic=asked.monotonic - nearly, wall=asked.wall - nearly))
    other.gateway.stat(other.gateway.locate("d/07"))
    notes.clear()
    other.gateway.stat(other.gateway.locate("d/07"))
    assert other.store.calls == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 20)  # not for another time to live
    other.gateway.stat(other.gateway.locate("d/07"))
    assert other.store.count("stat") == 1


def test_own_writes_are_read_back_whatever_others_have_noted(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes]
) -> None:
    one, other = process(), process()
    look(one.gateway)
    before = dict(notes)
    writer = other.gateway.create(other.gateway.locate("d/07"))
    writer.write(memoryview(b"of another length"))
    writer.commit()
    notes.clear()
    notes.update(before)  # a process that has been asleep puts its notes there again
    for assembled in (other, process()):  # a filesystem that is made later in this process as well
        assert assembled.data("d/07") == b"of another length"
        listing = assembled.gateway.list(assembled.gateway.locate("d"))
        assert [entry.size for entry in listing if entry.name == "d/07"] == [17]
        assert assembled.gateway.list_recursive(assembled.gateway.locate("")) is not None


def test_others_do_not_believe_what_was_noted_before_a_change(process: Callable[..., Assembled]) -> None:
    one, writer, other = process(), process(), process()
    look(one.gateway)
    # As another process does it that has written d/07: nothing is forgotten in this one.
    mount = writer.gateway.parts.mounts[0]
    writer.gateway.shared.changed(mount, "scripted://d", ())
    other.gateway.stat(other.gateway.locate("d/07"))
    other.gateway.list(other.gateway.locate("d"))
    assert [call[0] for call in other.store.calls] == ["stat", "list"]
    writer.gateway.shared.changed_everywhere(mount)
    last = process()
    look(last.gateway)
    assert last.store.count("list") == 2
    assert last.store.count("stat") == 1


def test_an_answer_that_was_under_way_during_a_change_is_not_believed(process: Callable[..., Assembled]) -> None:
    one, writer, other = process(), process(), process()
    stat = one.store.stat

    def slow_stat(name: str, deadline: Deadline) -> Entry:
        entry = stat(name, deadline)
        writer.store.put("d/07", b"of another length")
        writer.gateway.shared.changed(writer.gateway.parts.mounts[0], "scripted://d", ("scripted://d/07",))
        return entry

    one.store.stat = slow_stat  # type: ignore[method-assign]
    assert one.gateway.stat(one.gateway.locate("d/07")).size == 4
    assert other.data("d/07") == b"of another length"


def test_refresh_believes_no_note_and_replaces_it(process: Callable[..., Assembled]) -> None:
    one, other, last = process(), process(), process()
    look(one.gateway)
    one.store.put("d/07", b"of another length")  # by somebody who notes nothing
    location = other.gateway.locate("d/07")
    assert other.gateway.stat(location, refresh=True).size == 17
    assert last.gateway.stat(location).size == 17
    assert len(other.gateway.list(other.gateway.locate("d"), refresh=True)) == 20
    assert last.store.calls == []
    del one.store.files["d/07"]
    with pytest.raises(FileNotFoundError):
        other.gateway.stat(location, refresh=True)
    assert len(other.gateway.list(other.gateway.locate("d"), refresh=True)) == 19
    with pytest.raises(FileNotFoundError):
        process().gateway.stat(location)


def test_a_listing_that_is_older_does_not_take_back_a_stat(process: Callable[..., Assembled]) -> None:
    one, other = process(), process()
    one.gateway.list(one.gateway.locate("d"))
    one.store.put("d/07", b"of another length")
    location = other.gateway.locate("d/07")
    assert other.gateway.stat(location, refresh=True).size == 17
    other.gateway.list(other.gateway.locate("d"))
    assert other.store.count("list") == 0
    assert other.gateway.stat(location).size == 17


def test_absence_is_not_noted(process: Callable[..., Assembled], notes: Dict[bytes, bytes]) -> None:
    one, other = process(), process()
    with pytest.raises(FileNotFoundError):
        one.gateway.stat(one.gateway.locate("d/new"))
    assert notes == {}
    one.store.put("d/new", b"x")
    assert other.gateway.stat(other.gateway.locate("d/new")).size == 1


@pytest.mark.parametrize(
    "arguments",
    [{"metadata_ttl": 0.0}, {"workers": ["w1"], "metadata": Metadata.WORKER}],
    ids=["nothing is believed", "workers decide"],
)
def test_where_there_is_nothing_to_share(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes], arguments: Dict[str, Any]
) -> None:
    assembled = process(**arguments)
    look(assembled.gateway)
    assert notes == {}


def test_answers_of_this_machine_are_not_shared(process: Callable[..., Assembled], notes: Dict[bytes, bytes]) -> None:
    assembled = process()
    assembled.store.capabilities = UnderStoreCapabilities(version=("tag", "length"), remote=False, recursive_list=True)
    look(assembled.gateway)
    assert notes == {}


def test_garbage_is_as_good_as_no_note(process: Callable[..., Assembled], notes: Dict[bytes, bytes]) -> None:
    look(process().gateway)
    for number, key in enumerate(list(notes)):
        notes[key] = (b"", b"axm1", notes[key][:-1], b"\0" * 100)[number % 4]
    assembled = process()
    seen = look(assembled.gateway)
    assert len(seen[1]) == 20
    assert assembled.store.count("list") == 2


def test_what_cannot_be_told_exactly_is_not_shared(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes]
) -> None:
    one = process()
    one.gateway.stat(one.gateway.locate("d/07"))
    plain = one.store._entry
    one.store._entry = lambda name: evolve(plain(name), extra={"x": object()})  # type: ignore[method-assign]
    one.gateway.stat(one.gateway.locate("d/07"), refresh=True)
    one.gateway.list(one.gateway.locate("d"))
    assert notes == {}  # nor is what was noted before it


def test_long_listings_are_not_noted(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alluxiofs.gateway.shared_metadata._MOST_ENTRIES", 19)
    one = process()
    assert len(one.gateway.list(one.gateway.locate("d"))) == 20
    assert notes == {}


# --- who may see it -----------------------------------------------------------------------------------------------


def tenant(process: Callable[..., Assembled], options: Dict[str, Any]) -> Assembled:
    assembled = process()
    assembled.store.target = Target("scripted", options)
    return assembled


def test_one_tenant_never_sees_what_another_was_told(
    process: Callable[..., Assembled], notes: Dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {"key": "me", "secret": "hunter2-of-mine", "client_kwargs": {"verify": True}}
    look(tenant(process, mine).gateway)
    again = tenant(process, dict(mine))
    look(again.gateway)
    assert again.store.calls == []
    others: List[Dict[str, Any]] = [
        {**mine, "secret": "theirs"},
        {**mine, "token": None},
        {},
        {**mine, "session": object()},
    ]
    for options in others:
        theirs = tenant(process, options)
        look(theirs.gateway)
        assert theirs.store.count("list") == 2, options
    monkeypatch.setenv("AWS_PROFILE", "somebody-else")
    theirs = tenant(process, mine)
    look(theirs.gateway)
    assert theirs.store.count("list") == 2
    assert not any(b"hunter2" in key + note for key, note in notes.items())


def test_a_file_of_credentials_that_was_replaced_is_another_tenant(
    process: Callable[..., Assembled], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text("mine")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    look(process().gateway)
    again = process()
    look(again.gateway)
    assert again.store.calls == []
    file.write_text("of somebody else")
    theirs = process()
    look(theirs.gateway)
    assert theirs.store.count("list") == 2


def test_every_tenant_hears_of_changes(process: Callable[..., Assembled]) -> None:
    mine, theirs = {"secret": "mine"}, {"secret": "theirs"}
    look(tenant(process, mine).gateway)
    writer = tenant(process, theirs)
    writer.gateway.shared.changed(writer.gateway.parts.mounts[0], "scripted://d", ())
    again = tenant(process, mine)
    again.gateway.list(again.gateway.locate("d"))
    assert again.store.count("list") == 1


# --- page stores that fail ----------------------------------------------------------------------------------------


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    caplog.set_level(logging.WARNING)
    return lambda: len(caplog.records)


@pytest.mark.parametrize("broken", ["note", "put_note", "drop_notes"])
def test_a_page_store_whose_notes_fail_still_has_its_pages(
    process: Callable[..., Assembled], broken: str, warnings: Callable[[], int]
) -> None:
    assembled = process()
    store: Any = assembled.page_store
    assert assembled.data("d/05") == b"d/05"
    store.broken = (broken,)
    writer = assembled.gateway.create(assembled.gateway.locate("d/07"))
    writer.write(memoryview(b"x"))
    writer.commit()
    look(assembled.gateway)
    for _ in range(2):
        assert assembled.data("d/05") == b"d/05"
        assembled.gateway.forget(None)
    assert len(assembled.store.reads()) == 1
    assert assembled.data("d/07") == b"x"
    assert warnings() == 1


def test_a_store_without_a_place_for_notes_is_not_asked(assemble: Callable[..., Assembled]) -> None:
    assembled = assemble(metadata_ttl=TTL)
    assembled.store.put("d/07", b"x")
    look(assembled.gateway)
    assert assembled.data("d/07") == b"x"
