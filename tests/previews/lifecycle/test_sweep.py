from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from githubkit.retry import RetryOption

from contract.preview import Preview
from previews.errors import PreviewsError
from previews.inventory import Item
from previews.lifecycle.destroy import DestroyReport
from previews.lifecycle.sweep import Sweep, SweepOutcome, SweepReport
from previews.pulumi.state import StackSummary
from tests.github import Fault, LocalGitHub
from tests.previews.world import NOW, MemoryPlace, MemoryStacks, clients_of, thing


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGitHub]:
    """GitHub with one open pull request that has nothing to do with previews."""
    with LocalGitHub() as hub:
        for name, value in hub.environment.items():
            monkeypatch.setenv(name, value)
        hub.state.pull(1)
        yield hub


@pytest.fixture
def stacks() -> MemoryStacks:
    stacks = MemoryStacks()
    stacks.add("staging", days_ago=400)
    return stacks


def run(stacks: MemoryStacks, *places: MemoryPlace, **options: Any) -> SweepReport:
    clients = clients_of(stacks, *places)
    sweep = Sweep(
        stacks=clients.stacks,
        places=clients.places,
        pulls=clients.github.pulls,
        repository=clients.github.repository,
        settings=clients.settings,
        remove=clients.destroy,
    )
    return sweep.run(**{"most": 10, "dry_run": False, **options})


def never_again(*_: object) -> RetryOption:
    return RetryOption(do_retry=False)


def outcomes(report: SweepReport) -> dict[int, tuple[str, str]]:
    return {
        entry.preview.number: (entry.reason.value, entry.outcome.value) for entry in report.entries
    }


def test_each_preview_is_judged_by_its_pull_request(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in range(40, 50):
        stacks.add(f"pr-{number}", days_ago=8 if number >= 46 else 0)
    hub.state.pull(40, labels=["preview"])
    hub.state.pull(41, labels=["preview"])
    hub.state.close(41)
    hub.state.pull(42, labels=["preview"])
    hub.state.close(42, merged=True)
    hub.state.pull(43, labels=["bug"])
    hub.state.pull(44, labels=["preview"], draft=True)
    hub.state.pull(45, labels=["preview"], mergeable=False)
    hub.state.close(45)
    hub.state.pull(46, labels=["preview"])
    hub.state.pull(47, labels=["preview", "preview-keep"])
    hub.state.pull(48, labels=["preview"])
    report = run(stacks, MemoryPlace([thing("pr-48", expires=(NOW + timedelta(1)).isoformat())]))
    assert outcomes(report) == {
        41: ("closed", "destroyed"),
        42: ("closed", "destroyed"),
        43: ("label gone", "destroyed"),
        45: ("closed", "destroyed"),
        46: ("expired", "destroyed"),
        # GitHub knows no pull request 49, which is no word that it is closed.
        49: ("closed", "kept"),
    }
    assert sorted(stacks.known) == ["pr-40", "pr-44", "pr-47", "pr-48", "pr-49", "staging"]


def test_the_latest_of_all_that_tells_when_a_preview_ends_holds(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    past, future = ((NOW + timedelta(days=days)).isoformat() for days in (-1, 1))
    for number, days_ago in ((60, 8), (61, 8), (62, 6), (63, 8)):
        stacks.add(f"pr-{number}", days_ago=days_ago)
    for number in (60, 61, 62, 63):
        hub.state.pull(number, labels=["preview"])
    databases = [thing("pr-60", expires=past), thing("pr-61", expires=past)]
    databases += [thing("pr-62", expires=past), thing("pr-63", expires="never")]
    secrets = [thing("pr-60", place="Secrets", expires=past)]
    secrets += [thing("pr-61", place="Secrets", expires=future)]
    places = (MemoryPlace(databases), MemoryPlace(secrets, name="Secrets"))
    assert outcomes(run(stacks, *places)) == {
        # All of it is past.
        60: ("expired", "failed"),
        # A tag that is no time counts for nothing.
        63: ("expired", "failed"),
    }
    # What Pulumi left is never deleted by the sweep of a preview that has a stack.
    assert [place.removed for place in places] == [[], []]


def test_a_tag_s_time_may_be_of_any_zone_and_is_utc_s_without_one(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    west = timezone(timedelta(hours=-5))
    times = {
        60: (NOW - timedelta(hours=1)).replace(tzinfo=None),
        61: (NOW + timedelta(hours=1)).replace(tzinfo=None),
        62: (NOW - timedelta(hours=1)).astimezone(west),
        63: (NOW + timedelta(hours=1)).astimezone(west),
    }
    for number in times:
        stacks.known[f"pr-{number}"] = StackSummary(name=f"pr-{number}", last_update=None)
        hub.state.pull(number, labels=["preview"])
    place = MemoryPlace([thing(f"pr-{n}", expires=time.isoformat()) for n, time in times.items()])
    assert outcomes(run(stacks, place, dry_run=True)) == {
        60: ("expired", "due"),
        62: ("expired", "due"),
    }


@pytest.mark.parametrize(("days", "ends"), [(29.9, False), (30.1, True)])
def test_a_label_keeps_a_preview_longer_and_not_for_ever(
    hub: LocalGitHub, stacks: MemoryStacks, days: float, ends: bool
) -> None:
    stacks.add("pr-47", days_ago=days)
    hub.state.pull(47, labels=["preview", "preview-keep"])
    assert outcomes(run(stacks, MemoryPlace())) == ({47: ("expired", "destroyed")} if ends else {})


@pytest.mark.parametrize(("days", "ends"), [(6.9, False), (7.1, True)])
def test_a_preview_expires_so_many_days_after_its_last_push(
    hub: LocalGitHub, stacks: MemoryStacks, days: float, ends: bool
) -> None:
    stacks.add("pr-47", days_ago=days)
    hub.state.pull(47, labels=["preview"])
    assert outcomes(run(stacks, MemoryPlace())) == ({47: ("expired", "destroyed")} if ends else {})


def test_a_stack_that_was_never_updated_does_not_expire(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    stacks.known["pr-47"] = StackSummary(name="pr-47", last_update=None)
    hub.state.pull(47, labels=["preview"])
    assert run(stacks, MemoryPlace()).entries == []


@pytest.mark.parametrize("refusal", ["refuses", "lingers"])
def test_an_orphan_that_does_not_go_is_a_failure_and_the_next_is_tried(
    hub: LocalGitHub, stacks: MemoryStacks, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    monkeypatch.setattr("previews.lifecycle.destroy._LATE_SECONDS", 0)
    for number in (42, 43):
        hub.state.pull(number)
        hub.state.close(number)
    place = MemoryPlace([thing("pr-42"), thing("pr-43")], **{refusal: ("pr-42",)})
    report = run(stacks, place)
    assert outcomes(report) == {42: ("closed", "failed"), 43: ("closed", "destroyed")}
    assert "pr-42" in report.failed[0].detail
    assert place.items == [thing("pr-42")]


def test_the_report_counts_all_that_was_seen(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in (42, 43):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    report = run(stacks, MemoryPlace(), dry_run=True)
    assert report.text().splitlines() == [
        "3 stacks, 3 open pull requests, 2 due or kept; to remove those due: --yes",
        "  due        pr-42 (label gone): its pull request has no label 'preview'",
        "  due        pr-43 (label gone): its pull request has no label 'preview'",
    ]
    assert "2 candidates" in run(stacks, MemoryPlace()).text()


def test_what_is_kept_uses_none_of_the_run_s_removals(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    hub.state.pull(41, labels=["preview"])
    for number in (42, 43):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    report = run(stacks, MemoryPlace([thing("pr-41")]), most=1)
    assert [entry.outcome for entry in report.entries] == [
        *(SweepOutcome.KEPT, SweepOutcome.DESTROYED, SweepOutcome.LATER),
    ]


def test_a_resource_without_a_stack_is_deleted(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    hub.state.pull(42)
    hub.state.close(42)
    hub.state.pull(43, labels=["preview"])
    place = MemoryPlace([thing("pr-42"), thing("pr-43")])
    report = run(stacks, place)
    assert outcomes(report) == {
        42: ("closed", "destroyed"),
        # An `up` may be about to make its stack.
        43: ("orphaned", "kept"),
    }
    assert place.removed == ["pr-42"]


def test_without_yes_nothing_is_touched(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    stacks.add("pr-42")
    hub.state.pull(42)
    report = run(stacks, MemoryPlace(), dry_run=True)
    assert outcomes(report) == {42: ("label gone", "due")}
    assert report.due == [Preview(42)]
    assert not [call for call in stacks.calls if call.startswith(("destroy", "remove", "tag"))]


@pytest.mark.parametrize("fault", list(Fault))
def test_with_github_down_nothing_is_touched(
    hub: LocalGitHub, stacks: MemoryStacks, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault is Fault.SLOW:
        monkeypatch.setattr("previews.github.connection._TIMEOUT_SECONDS", 0.2)
    if fault is Fault.SERVER_ERROR:
        monkeypatch.setattr("previews.github.connection.RETRY_DEFAULT", never_again)
    stacks.add("pr-42")
    place = MemoryPlace([thing("pr-42")])
    hub.fail(fault, seconds=3600 if fault is not Fault.SLOW else 2)
    with pytest.raises(PreviewsError):
        run(stacks, place)
    assert place.removed == []
    assert not [call for call in stacks.calls if call.startswith(("destroy", "remove", "tag"))]


@pytest.mark.parametrize("fault", [Fault.HUNG_UP, Fault.UNAUTHORIZED, Fault.EMPTY, Fault.GARBLED])
def test_a_pull_request_that_can_not_be_read_again_keeps_its_preview(
    hub: LocalGitHub, stacks: MemoryStacks, fault: Fault
) -> None:
    for number in (42, 43):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    hub.fail(fault, path=r"/pulls/42$")
    report = run(stacks, MemoryPlace())
    assert outcomes(report) == {42: ("label gone", "failed"), 43: ("label gone", "destroyed")}
    assert sorted(stacks.known) == ["pr-42", "staging"]


def test_a_label_that_came_back_keeps_the_preview(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    stacks.add("pr-42")
    hub.state.pull(42)

    def label_it(_method: str, path: str) -> None:
        if path.endswith("/pulls/42"):
            hub.state.label(42, "preview")

    hub.on_request = label_it
    assert outcomes(run(stacks, MemoryPlace())) == {42: ("label gone", "kept")}
    assert "pr-42" in stacks.known


def test_where_no_pull_request_is_open_each_is_closed_by_its_own_word(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    hub.state.close(1)
    assert run(stacks, MemoryPlace()).entries == []
    stacks.add("pr-1")
    assert outcomes(run(stacks, MemoryPlace())) == {1: ("closed", "destroyed")}


def test_an_empty_list_of_pull_requests_removes_none_that_is_open(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    for number in (42, 43):
        stacks.add(f"pr-{number}")
        hub.state.pull(number, labels=["preview"])
    hub.fail(Fault.EMPTY, path=r"/pulls$")
    assert outcomes(run(stacks, MemoryPlace())) == {
        42: ("closed", "kept"),
        43: ("closed", "kept"),
    }


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_label_that_the_repository_has_not_is_lost_by_no_preview(
    hub: LocalGitHub, stacks: MemoryStacks, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    stacks.add("pr-42")
    hub.state.pull(42, labels=["deploy me"])
    hub.state.settings.labels = {"deploy me"}
    with pytest.raises(PreviewsError, match="acme/orders has no such label") as raised:
        run(stacks, MemoryPlace(), dry_run=dry_run)
    assert raised.value.code == "sweep-no-label"
    assert "pr-42" in stacks.known
    monkeypatch.setenv("PREVIEWS_LABEL", "deploy me")
    assert run(stacks, MemoryPlace(), dry_run=dry_run).entries == []


@pytest.mark.parametrize("setting", ["preview", "Preview"])
def test_labels_are_the_same_in_any_letter_case(
    hub: LocalGitHub, stacks: MemoryStacks, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("PREVIEWS_LABEL", setting)
    for number, days_ago in ((42, 0), (43, 8)):
        stacks.add(f"pr-{number}", days_ago=days_ago)
        hub.state.pull(number, labels=["PREVIEW", "Preview-Keep"])
    assert run(stacks, MemoryPlace()).entries == []


def many(hub: LocalGitHub, stacks: MemoryStacks, *, going: int, staying: int) -> None:
    """Previews whose pull requests have lost the label, and others that have it."""
    for number in range(40, 40 + going + staying):
        stacks.add(f"pr-{number}")
        hub.state.pull(number, labels=[] if number < 40 + going else ["preview"])


@pytest.mark.parametrize("dry_run", [True, False])
def test_most_of_them_go_only_if_a_person_says_how_many(
    hub: LocalGitHub, stacks: MemoryStacks, dry_run: bool
) -> None:
    many(hub, stacks, going=4, staying=3)
    for confirmed in (0, 3):
        with pytest.raises(PreviewsError, match="4 of 7 previews") as raised:
            run(stacks, MemoryPlace(), dry_run=dry_run, confirmed=confirmed)
        assert raised.value.code == "sweep-too-many"
        assert "pr-43 (label gone)" in raised.value.why
        assert "--confirm 4" in raised.value.remedy
    assert len(stacks.known) == 1 + 7
    report = run(stacks, MemoryPlace(), dry_run=dry_run, confirmed=4)
    assert len(report.due if dry_run else report.entries) == 4


@pytest.mark.parametrize(("going", "staying"), [(2, 0), (3, 3)])
def test_a_few_go_and_half_of_them(
    hub: LocalGitHub, stacks: MemoryStacks, going: int, staying: int
) -> None:
    many(hub, stacks, going=going, staying=staying)
    report = run(stacks, MemoryPlace())
    assert [entry.outcome for entry in report.entries] == [SweepOutcome.DESTROYED] * going


def test_one_that_is_named_goes_whatever_share_it_is_of(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    many(hub, stacks, going=4, staying=0)
    assert outcomes(run(stacks, MemoryPlace(), only=Preview(41))) == {
        41: ("label gone", "destroyed")
    }


def test_after_a_holiday_all_have_expired_and_go(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in range(40, 45):
        stacks.add(f"pr-{number}", days_ago=8)
        hub.state.pull(number, labels=["preview"])
    report = run(stacks, MemoryPlace())
    assert [entry.outcome for entry in report.entries] == [SweepOutcome.DESTROYED] * 5


def test_what_is_created_between_the_two_lists_is_no_orphan(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    """A stack is created before its resources; the resources are listed first."""
    hub.state.pull(42, labels=["preview"])

    class Looked(MemoryPlace):
        def find(self) -> Iterable[Item]:
            stacks.add("pr-42")
            return super().find()

    report = run(stacks, Looked([thing("pr-42")]))
    assert (report.entries, report.stacks) == ([], 2)


def test_a_list_of_stacks_without_staging_is_no_answer(hub: LocalGitHub) -> None:
    stacks = MemoryStacks()
    place = MemoryPlace([thing("pr-42")])
    hub.state.pull(42)
    hub.state.close(42)
    with pytest.raises(PreviewsError, match="it lacks staging, and has no stack"):
        run(stacks, place)
    for name in ("pr-43", "pr-42"):
        stacks.add(name)
    with pytest.raises(PreviewsError, match="it lacks staging, and has pr-42, pr-43"):
        run(stacks, place)
    assert (place.removed, sorted(stacks.known)) == ([], ["pr-42", "pr-43"])


def test_a_place_that_gives_no_answer_ends_the_run(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    stacks.add("pr-42")
    hub.state.pull(42)
    with pytest.raises(PreviewsError, match="RDS"):
        run(stacks, MemoryPlace(fails=True))
    assert "pr-42" in stacks.known


def test_at_most_so_many_go_in_one_run(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in range(40, 45):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    report = run(stacks, MemoryPlace(), most=2, confirmed=5)
    assert [entry.outcome for entry in report.entries] == [
        SweepOutcome.DESTROYED,
        SweepOutcome.DESTROYED,
        *[SweepOutcome.LATER] * 3,
    ]


def test_one_failure_keeps_no_other_from_going(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in (41, 42, 43):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    stacks.fail_on = "destroy pr-42"
    report = run(stacks, MemoryPlace(), confirmed=3)
    assert outcomes(report) == {
        41: ("label gone", "destroyed"),
        42: ("label gone", "failed"),
        43: ("label gone", "destroyed"),
    }
    assert [entry.preview.number for entry in report.failed] == [42]
    assert sorted(stacks.known) == ["pr-42", "staging"]


def test_a_crash_keeps_no_other_from_going(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in (41, 42):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    remove = clients_of(stacks, MemoryPlace()).destroy

    def crash(preview: Preview, *, leftovers: bool) -> DestroyReport:
        if preview.number == 41:
            raise KeyError("status")
        return remove(preview, leftovers=leftovers)

    clients = clients_of(stacks, MemoryPlace())
    report = Sweep(
        stacks=clients.stacks,
        places=clients.places,
        pulls=clients.github.pulls,
        repository=clients.github.repository,
        settings=clients.settings,
        remove=crash,
    ).run(most=10, dry_run=False)
    assert outcomes(report) == {41: ("label gone", "failed"), 42: ("label gone", "destroyed")}
    assert "KeyError: 'status'" in report.failed[0].detail


def test_one_alone_is_judged(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    for number in (41, 42):
        stacks.add(f"pr-{number}")
        hub.state.pull(number)
    assert outcomes(run(stacks, MemoryPlace(), only=Preview(42))) == {
        42: ("label gone", "destroyed")
    }
    assert "pr-41" in stacks.known


def test_what_is_kept_on_purpose_is_no_orphan(hub: LocalGitHub, stacks: MemoryStacks) -> None:
    hub.state.pull(42)
    hub.state.close(42)
    place = MemoryPlace([thing("pr-42", keep="someone took it", counts=False)])
    assert run(stacks, place).entries == []


def test_a_thousand_stacks_take_a_bounded_number_of_requests(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    items = []
    for number in range(1000, 2000):
        stacks.add(f"pr-{number}", days_ago=8 if number % 2 else 0)
        hub.state.pull(number, labels=["preview"])
        items.append(thing(f"pr-{number}"))
    place = MemoryPlace(items)
    report = run(stacks, place, most=5, dry_run=True)
    assert len(report.entries) == 500
    assert len(report.due) == 5
    # The label, eleven pages of open pull requests, and each of the five read once more.
    assert len(hub.requests) == 1 + 11 + 5
    assert place.looks == 1
    assert stacks.calls == ["all"]


def test_servers_that_previews_share_are_none_of_its_business(
    hub: LocalGitHub, stacks: MemoryStacks
) -> None:
    stacks.add("data-8", days_ago=400)
    stacks.add("pr-8", days_ago=0)
    hub.state.pull(8, labels=["preview"])
    hub.state.close(8)
    assert outcomes(run(stacks, MemoryPlace())) == {8: ("closed", "destroyed")}
    assert "data-8" in stacks.known
    assert not [call for call in stacks.calls if "data-8" in call]


def test_another_apps_previews_are_none_of_its_business(
    hub: LocalGitHub, stacks: MemoryStacks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the platform's own of another's: both have a pull request 42, which is closed."""
    (tmp_path / "preview.yaml").write_text("app: orders\n")
    hub.state.pull(42, labels=["preview"])
    hub.state.close(42)
    both = [thing("pr-42"), thing("orders-pr-42"), thing("billing-pr-42")]
    for app, own in (("", "pr-42"), (str(tmp_path), "orders-pr-42")):
        monkeypatch.setenv("PREVIEWS_APP", app) if app else None
        report = run(stacks, MemoryPlace(list(both)), dry_run=True)
        assert [entry.preview.name for entry in report.entries] == [own]
