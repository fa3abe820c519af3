"""Runs of the loop on a toy cohort."""

from __future__ import annotations

import csv
import dataclasses
import shutil

import pytest

from models.packages import inventory, load_package
from tests.trainer.adapting import toy
from tests.trainer.promote import made, toy_site
from tests.trainer.promote.toy_site import TASK
from trainer.promote import steps
from trainer.promote.errors import NothingRuns, NothingToRollBack, NotPromoted, PackageAltered, SiteBusy
from trainer.promote.loop import NOBODY, State, promote_now, roll_back_now, run
from trainer.promote.record import Record, Step, held
from trainer.promote.settings import DecidePart, ShadowPart
from trainer.promote.status import statuses
from trainer.tasks.bars import Bar


@pytest.fixture(scope="module", autouse=True)
def little():
    """Fewer made pictures and fewer rounds: what they mean does not depend on how many there are."""
    with pytest.MonkeyPatch.context() as patch:
        toy_site.made_small(patch)
        yield


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A site whose run has come to a candidate that may be promoted."""
    place = toy_site.site(tmp_path_factory.mktemp("site"))
    outcome = run(place, TASK, "a physicist", without_shadow=True)
    return place, outcome


@pytest.fixture
def place(learned, tmp_path):
    """A site of its own, with what the shared one has learned."""
    shutil.copytree(learned[0].folder.parent, tmp_path, dirs_exist_ok=True, symlinks=True)
    given = {**dict(learned[0]), "folder": tmp_path / "site", "packages": (tmp_path / "packages",)}
    return type(learned[0])(**given)


def running(place):
    return steps.running_package(place, TASK)


def test_run__to_its_end__each_step_is_recorded_with_who_asked_and_with_the_digests(learned):
    place, outcome = learned
    assert outcome.state is State.READY
    assert toy_site.steps_of(place) == ["cohort", "adapted", "compared"]
    cohort, adapted, compared = Record(place.folder).entries
    assert {each.who for each in (cohort, adapted, compared)} == {"a physicist"}
    candidate = load_package(place.folder / adapted.what["folder"])
    assert candidate.identity.digest == adapted.what["digest"] == compared.what["candidate"]
    assert adapted.what["cohort"] == cohort.what["digest"]
    assert compared.what["running"] == load_package(place.packages[0] / TASK).identity.digest
    assert compared.what["judgements"]
    assert compared.what["foreign"]["pictures"] == 6


def test_candidate__of_a_site__its_card_names_the_sites_patients_and_is_measured_on_them_alone(learned):
    place, _ = learned
    card = load_package(place.folder / Record(place.folder).entries[1].what["folder"]).card
    assert card.training.data[0].name == "patients of this site"
    assert card.training.data[0].patients == 4
    assert card.figures[0].data == "pictures test"
    assert "+site." in card.version


def test_run__given_again__takes_no_step_twice(place):
    before = (place.folder / "record.jsonl").read_bytes()
    assert run(place, TASK, "another", without_shadow=True).state is State.READY
    assert (place.folder / "record.jsonl").read_bytes() == before


def test_run__stopped_while_it_learned__the_next_call_gathers_nothing_again(tmp_path):
    place = toy_site.site(tmp_path)

    def news(words):
        if words.startswith("comparing"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(place, TASK, "me", news, without_shadow=True)
    told: list[str] = []
    run(place, TASK, "me", told.append, without_shadow=True)
    assert toy_site.steps_of(place) == ["cohort", "adapted", "compared"]
    assert [words.split()[0] for words in told] == ["comparing"]


def test_promote__what_was_compared__answers_at_the_next_start_and_the_record_says_no_shadow_was_asked(place):
    outcome = promote_now(place, TASK, "the head of physics", without_shadow=True)
    assert outcome.state is State.PROMOTED
    record = Record(place.folder)
    assert running(place).identity.digest == record.last(TASK, Step.ADAPTED).what["digest"]
    assert record.last(TASK, Step.PROMOTING).what["shadow"] == NOBODY
    assert record.last(TASK, Step.PROMOTED).who == "the head of physics"
    (status,) = statuses(place)
    assert (status.active, status.open_run, status.warning) == (running(place).identity.digest, None, None)


def test_promote__without_a_shadow_that_saw_enough__is_refused(place):
    quiet = place.model_copy(update={"shadow": ShadowPart(node="http://127.0.0.1:9")})
    with pytest.raises(NotPromoted, match="--without-shadow"):
        promote_now(quiet, TASK, "me")
    assert running(place).identity.digest == load_package(place.packages[0] / TASK).identity.digest


def test_promote__shadow_was_proposed__says_that_its_route_has_to_go_before_the_next_start(place):
    quiet = place.model_copy(update={"shadow": ShadowPart(node="http://127.0.0.1:9")})
    assert run(quiet, TASK, "me").state is State.WATCHING
    outcome = promote_now(place, TASK, "me", without_shadow=True)
    assert any(
        f"'{TASK}-candidate'" in words and "out of the node's configuration" in words for words in outcome.reasons
    )
    assert not (place.shadowed / f"{TASK}-candidate").exists()


def test_run__candidate_is_a_trial_and_what_runs_is_none__refused(tmp_path, monkeypatch):
    bar = Bar(figure="blob Dice, silence counted as 0", least=1.1)
    spec = dataclasses.replace(toy.spec("segmentation"), bars=(bar,))
    monkeypatch.setattr(steps, "spec_of", lambda task: spec)
    outcome = run(toy_site.site(tmp_path), TASK, "me", without_shadow=True)
    assert outcome.state is State.REFUSED
    assert [reason for reason in outcome.reasons if "calls itself a trial" in reason]


def test_promote__what_runs_was_replaced_since__is_refused(place):
    toy_site.package(place.packages[0] / TASK, seed=5)
    with pytest.raises(NotPromoted, match="compared with"):
        promote_now(place, TASK, "me", without_shadow=True)


def test_promote__candidate_was_changed_on_disk__is_refused(place):
    card = place.folder / Record(place.folder).last(TASK, Step.ADAPTED).what["folder"] / "card.yaml"
    card.write_text(card.read_text().replace("Toy", "Tampered"))
    with pytest.raises(PackageAltered):
        promote_now(place, TASK, "me", without_shadow=True)


def test_promote__nothing_was_compared__is_refused(tmp_path):
    with pytest.raises(NotPromoted, match="site run"):
        promote_now(toy_site.site(tmp_path), TASK, "me")


def test_rollback__after_two_promotions__gives_the_same_bytes_again_each_time(place):
    promote_now(place, TASK, "me", without_shadow=True)
    first = made.bytes_of(running(place).path)
    other = place.model_copy(update={"adapt": place.adapt.model_copy(update={"seed": 4})})
    assert run(other, TASK, "me", without_shadow=True).state is State.READY
    promote_now(other, TASK, "me", without_shadow=True)
    assert made.bytes_of(running(place).path) != first
    roll_back_now(place, TASK, "me")
    assert made.bytes_of(running(place).path) == first
    roll_back_now(place, TASK, "me")
    assert running(place).path == place.packages[0] / TASK
    with pytest.raises(NothingToRollBack):
        roll_back_now(place, TASK, "me")


def test_rollback__kept_package_was_damaged__is_refused_and_the_active_one_stays(place):
    promote_now(place, TASK, "me", without_shadow=True)
    first = running(place)
    other = place.model_copy(update={"adapt": place.adapt.model_copy(update={"seed": 4})})
    run(other, TASK, "me", without_shadow=True)
    promote_now(other, TASK, "me", without_shadow=True)
    second = running(place).identity
    (first.path / "weights.safetensors").write_bytes(b"rust")
    with pytest.raises(PackageAltered):
        roll_back_now(place, TASK, "me")
    assert running(place).identity == second


def test_rollback__while_a_run_works__is_done_at_once_and_that_run_promotes_nothing(place):
    promote_now(place, TASK, "me", without_shadow=True)

    def news(words):
        if words.startswith("comparing"):
            roll_back_now(place, TASK, "somebody on call")

    changes = {"automatic": True, "adapt": place.adapt.model_copy(update={"seed": 4})}
    with pytest.raises(NotPromoted, match="compared with"):
        run(place.model_copy(update=changes), TASK, "calendar", news, without_shadow=True)
    assert running(place).path == place.packages[0] / TASK
    assert Record(place.folder).last(TASK, Step.ROLLED_BACK).who == "somebody on call"


def test_package__found_before_a_promotion__is_still_read_after_it(place):
    promote_now(place, TASK, "me", without_shadow=True)
    held_by_node = running(place)
    before = held_by_node.weights.read_bytes()
    roll_back_now(place, TASK, "me")
    assert held_by_node.weights.read_bytes() == before


def test_run__package_was_rolled_back__its_twin_is_not_proposed_again(place):
    promote_now(place, TASK, "me", without_shadow=True)
    roll_back_now(place, TASK, "me")
    outcome = run(place, TASK, "me", without_shadow=True)
    assert outcome.state is State.REFUSED
    assert "rolled back" in outcome.reasons[0]
    assert run(place, TASK, "me", again=True, without_shadow=True).state is State.READY
    assert promote_now(place, TASK, "me", without_shadow=True).state is State.PROMOTED


def test_run__same_pictures_after_a_promotion__nothing_new_to_promote(place):
    promote_now(place, TASK, "me", without_shadow=True)
    told: list[str] = []
    learned_again = run(place, TASK, "me", told.append, without_shadow=True)
    # The encoder and the pictures are the same, so the candidate is the one that runs: nothing is learned.
    assert learned_again.state is State.REFUSED
    assert "nothing new" in learned_again.reasons[0]
    assert told == []


def test_run__candidate_is_worse_than_the_margin__refused_and_never_promoted(place):
    strict = place.model_copy(update={"decide": DecidePart(margin=0.0, least_patients=50)})
    outcome = run(strict, TASK, "me", without_shadow=True)
    assert outcome.state is State.REFUSED
    assert any("unknown" in reason for reason in outcome.reasons)
    with pytest.raises(NotPromoted):
        promote_now(strict, TASK, "me", without_shadow=True)


def test_run__automatic__promotes_by_itself(place):
    auto = place.model_copy(update={"automatic": True})
    assert run(auto, TASK, "calendar", without_shadow=True).state is State.PROMOTED
    assert running(place).path.parent.name == ".kept"


def test_run__anew__gives_the_open_run_up_and_says_so(place):
    assert run(place, TASK, "me", anew=True, without_shadow=True).state is State.READY
    refused = Record(place.folder).last(TASK, Step.REFUSED)
    assert refused.what["reasons"] == ["given up: begun anew"]
    assert len({each.run for each in Record(place.folder).of(TASK)}) == 2


def test_run__subgroups_of_the_index__are_judged_each(tmp_path):
    place = toy_site.site(tmp_path, decide=toy_site.LENIENT)
    index = tmp_path / "pictures" / "index.csv"
    with index.open(newline="") as file:
        listed = [row | {"device": f"Maker {int(row['patient_id']) % 2}"} for row in csv.DictReader(file)]
    with index.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(listed[0]))
        writer.writeheader()
        writer.writerows(listed)
    run(place, TASK, "me", without_shadow=True)
    judged = {each["group"] for each in Record(place.folder).last(TASK, Step.COMPARED).what["judgements"]}
    assert {"all", "device: Maker 0", "device: Maker 1"} <= judged


def test_run__nothing_of_the_task_is_installed__says_so(tmp_path):
    place = toy_site.site(tmp_path, packages=())
    with pytest.raises(NothingRuns, match="package folders"):
        run(place, TASK, "me")


def test_run__folder_is_in_use__is_refused(tmp_path):
    place = toy_site.site(tmp_path)
    with held(place.folder), pytest.raises(SiteBusy):
        run(place, TASK, "me")


def test_promoted_folder__of_a_site__holds_one_package_a_task_and_nothing_that_is_refused(place):
    promote_now(place, TASK, "me", without_shadow=True)
    found = inventory([place.promoted])
    assert [each.identity.task for each in found.packages if each.path.is_relative_to(place.promoted)] == [TASK]
    assert not found.refusals
