"""Images are looked at before they are routed, once, and nothing that happens to a look holds a study up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from pydicom import Dataset

from models.packages import TaskPackage
from node.config import Settings
from node.db import JobState, read
from node.db.tables import instance, job, job_instance
from node.examination import examine
from node.jobs import list_events
from node.jobs.looks import LOOK_ROUTE
from node.looking import lookers_of, unmet
from node.routing import compile_routes
from tests.node.looking.bench import LookingBench, looking_packages
from tests.node.worker.bench import PACKAGE, still

Make = Callable[..., LookingBench]


def route(when: str, **changes: object) -> dict[str, object]:
    return {"name": "breast", "when": when, "task": "fetal-head", "send_to": ["out"], **changes}


BREAST = [route('view.organ == "breast" && view.confidence > 0.5')]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[TaskPackage, ...]:
    return looking_packages(tmp_path_factory.mktemp("packages"), "view", "quality")


@pytest.fixture
def make(tmp_path: Path, migrated_sqlite: Path, packages: tuple[TaskPackage, ...]) -> Iterator[Make]:
    opened: list[LookingBench] = []

    def start(routes: list[dict[str, object]] | None = None, **sections: object) -> LookingBench:
        given = {"packages": packages, "routes": routes or BREAST, **sections}
        opened.append(LookingBench(tmp_path, migrated_sqlite, **given))
        return opened[-1]

    yield start
    for bench in opened:
        bench.close()


def image(organ: int, study: str = "1.2.3", number: int = 1, frames: int = 1) -> Dataset:
    pixels = np.full((frames, 128, 160), 60, np.uint8)
    pixels[:, 0, 0] = organ
    clip = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "NumberOfFrames": frames, "FrameTime": "33"}
    return still(study, number, PixelData=pixels.tobytes(), **(clip if frames > 1 else {}))


def looks(bench: LookingBench) -> list[JobState]:
    return [job.state for job in bench.jobs() if job.route == LOOK_ROUTE]


def routed(bench: LookingBench) -> list[str]:
    """The instances that the task ran on."""
    with read(bench.database) as connection:
        joined = instance.join(job_instance, job_instance.c.instance_id == instance.c.id).join(job)
        wanted = sa.select(instance.c.sop_instance_uid).select_from(joined).where(job.c.route != LOOK_ROUTE)
        return list(connection.execute(wanted.order_by(instance.c.id)).scalars())


def events(bench: LookingBench, what: str) -> list[dict[str, object]]:
    with read(bench.database) as connection:
        return [dict(each.details) for each in list_events(connection) if each.what == what]


def test_view__study_of_two_organs__only_the_organ_of_the_rule_is_routed(make: Make) -> None:
    bench = make()
    bench.receive_ds(image(0, number=1))
    bench.receive_ds(image(2, number=2))
    bench.settle()
    assert looks(bench) == [JobState.DONE, JobState.DONE]
    assert routed(bench) == ["1.2.3.1.1"]
    assert bench.delivered("1.2.3")
    assert events(bench, "revision.routed_unseen") == []


def test_view__clip__its_middle_frame_alone_is_looked_at(make: Make) -> None:
    bench = make()
    bench.receive_ds(image(0, frames=7))
    bench.settle()
    assert bench.engine.looked == [("view", 4)]
    assert bench.engine.seen == [7]


def test_view__no_rule_asks__nobody_looks(make: Make) -> None:
    bench = make([route("true")])
    bench.receive_ds(image(0))
    bench.settle()
    assert bench.engine.looked == []
    assert routed(bench) == ["1.2.3.1.1"]


def test_quality__rule_asks_for_it_alone__only_quality_looks(make: Make) -> None:
    bench = make([route("view.quality >= 0.5")])
    bench.receive_ds(image(1, number=1))
    bench.receive_ds(image(2, number=2))
    bench.settle()
    assert {task for task, _ in bench.engine.looked} == {"quality"}
    assert routed(bench) == ["1.2.3.1.2"]


def test_view_and_quality__both_asked__both_facts_count(make: Make) -> None:
    bench = make([route('view.region == "thorax" && view.quality < 0.2')])
    bench.receive_ds(image(0, number=1))
    bench.receive_ds(image(1, number=2))
    bench.settle()
    assert len(looks(bench)) == 4
    assert routed(bench) == ["1.2.3.1.1"]


def test_view__rule_beside_it_does_not_ask__is_not_held_up(make: Make) -> None:
    bench = make([*BREAST, route("true", name="all")])
    bench.receive_ds(image(0))
    bench.scheduler.step()
    bench.later(2)
    bench.scheduler.step()
    assert sorted(job.route for job in bench.jobs()) == [LOOK_ROUTE, "all"]
    bench.settle()
    assert sorted(job.route for job in bench.jobs()) == [LOOK_ROUTE, "all", "breast"]


def test_view__late_clip__what_was_seen_is_not_looked_at_again(make: Make) -> None:
    bench = make()
    bench.receive_ds(image(0, number=1))
    bench.settle()
    bench.receive_ds(image(0, number=2))
    bench.settle()
    assert len(bench.engine.looked) == 2
    assert routed(bench) == ["1.2.3.1.1", "1.2.3.1.2"]


def test_view__killed_between_look_and_routing__goes_on_without_another_look(make: Make) -> None:
    bench = make()
    bench.receive_ds(image(0))
    bench.scheduler.step()
    bench.later(2)
    bench.scheduler.step()
    assert bench.worker.step(bench.wake)
    assert routed(bench) == []
    bench.restart()
    bench.settle()
    assert len(bench.engine.looked) == 1
    assert routed(bench) == ["1.2.3.1.1"]


def test_view__killed_while_it_looks__looks_again_and_routes_once(make: Make) -> None:
    bench = make()
    bench.receive_ds(image(0))
    bench.scheduler.step()
    bench.later(2)
    bench.scheduler.step()
    bench.worker._finished = lambda *_: None  # type: ignore[method-assign] - killed before it was written down
    bench.worker.step(bench.wake)
    bench.later(120)
    bench.restart()
    bench.settle()
    assert looks(bench) == [JobState.DONE]
    assert routed(bench) == ["1.2.3.1.1"]


def test_view__look_fails__study_is_routed_without_it_and_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    bench = make([route('view.organ == ""')], jobs={"max_attempts": 5, "backoff_s": 0.01, "backoff_max_s": 0.01})
    bench.receive_ds(image(9))
    bench.settle()
    assert looks(bench) == [JobState.FAILED]
    assert len(bench.engine.looked) <= 2
    assert routed(bench) == ["1.2.3.1.1"]
    assert events(bench, "revision.routed_unseen") == [{"failed": 1, "beyond_most_looks": 0}]
    assert "Images are routed without a look at them" in caplog.text


def test_view__damaged_image__the_others_of_its_study_are_seen(make: Make) -> None:
    bench = make()
    broken = image(0, number=1)
    broken.PixelData = broken.PixelData[:100]
    bench.receive_ds(broken)
    bench.receive_ds(image(0, number=2))
    bench.settle()
    assert sorted(looks(bench)) == [JobState.DONE, JobState.FAILED]
    assert routed(bench) == ["1.2.3.1.2"]


def test_view__out_of_scope__is_empty_and_no_failure(make: Make) -> None:
    bench = make([route('view.organ == "" && view.region == ""')])
    bench.receive_ds(image(8))
    bench.settle()
    assert looks(bench) == [JobState.DONE]
    assert routed(bench) == ["1.2.3.1.1"]
    assert events(bench, "revision.routed_unseen") == []


def test_view__more_images_than_may_be_looked_at__the_rest_is_told(make: Make) -> None:
    bench = make(jobs={"most_looks": 2, "poll_s": 0.05})
    for number in range(1, 5):
        bench.receive_ds(image(0, number=number))
    bench.settle()
    assert len(bench.engine.looked) == 2
    assert routed(bench) == ["1.2.3.1.1", "1.2.3.1.2"]
    assert events(bench, "revision.routed_unseen") == [{"failed": 0, "beyond_most_looks": 2}]


def test_view__package_replaced_while_a_look_waits__the_new_one_looks(make: Make, tmp_path: Path) -> None:
    bench = make()
    bench.receive_ds(image(0))
    bench.scheduler.step()
    bench.later(2)
    bench.scheduler.step()
    bench.packages = looking_packages(tmp_path / "later", "view", "quality", seed=2)
    bench.restart()
    bench.settle()
    assert sorted(looks(bench)) == [JobState.CANCELLED, JobState.DONE]
    assert routed(bench) == ["1.2.3.1.1"]


def told(packages: tuple[TaskPackage, ...], when: str) -> tuple[str, ...]:
    routes = compile_routes(Settings.model_validate({"routes": [route(when)]}), [PACKAGE])
    return unmet(routes, lookers_of(packages, routes))


def test_unmet__package_there_and_words_known__nothing_to_say(packages: tuple[TaskPackage, ...]) -> None:
    assert told(packages, 'view.organ == "breast" && view.region == "thorax" && view.quality > 0.1') == ()
    assert told((), 'instance.Modality == "US"') == ()


def test_trial__of_a_kind_that_looks__never_looks_and_facts_stay_empty(packages: tuple[TaskPackage, ...]) -> None:
    trials = tuple(replace(each, identity=replace(each.identity, trial="few pictures")) for each in packages)
    (words,) = told(trials, 'view.organ == "breast"')
    assert "view.organ" in words


def test_unmet__no_package_of_the_kind__says_what_stays_empty(packages: tuple[TaskPackage, ...]) -> None:
    (words,) = told((), 'view.organ == "breast"')
    assert "'breast'" in words
    assert "view.organ" in words
    (words,) = told(packages[:1], 'view.organ == "breast" && view.quality > 0.1')
    assert "view.quality" in words


def test_unmet__word_that_the_package_never_says__lists_those_it_does(packages: tuple[TaskPackage, ...]) -> None:
    (words,) = told(packages, 'view.organ == "brest"')
    assert "'brest'" in words
    assert "breast, head and neck, heart" in words


def test_doctor__rule_asks_and_no_view_package__says_that_it_stays_empty() -> None:
    asking = route('view.organ == "breast"', task="breast-lesion")
    settings = Settings.model_validate({"routes": [asking], "models": {"bundled": "permissive"}})  # without `view`
    (check,) = [each for each in examine(settings) if each.name == "view before routing"]
    assert not check.sound
    assert "view.organ" in check.words
