"""Which objects a route writes: checked at the start, and followed by the worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.results import ObjectKind, SegmentationType
from node.config import Route, Settings
from node.jobs.identity import route_digest
from node.worker import result_options
from tests.node.config.test_loading import line, load, only

ROUTES = """\
results: {objects: [SEG, SR]}
routes:
  - {name: a, task: fetal-head, objects: %s}
  - {name: b, task: fetal-head}
"""


def test_objects__kind_that_does_not_exist__is_told_with_its_line_and_what_there_is(tmp_path: Path) -> None:
    fault = only(tmp_path, ROUTES % "[SR, GSPS]")
    assert (fault.key, line(fault)) == ("routes.0.objects.1", 3)
    assert "'PR'" in fault.words and "'GSPS'" in fault.words


def test_objects__none_at_all__is_refused(tmp_path: Path) -> None:
    fault = only(tmp_path, ROUTES % "[]")
    assert (fault.key, line(fault)) == ("routes.0.objects", 3)
    assert "leave it out for the default" in fault.words


def test_result_options__route_names_objects__they_go_before_the_site_s(tmp_path: Path) -> None:
    settings = load(tmp_path, ROUTES % "[PDF, KOS]")
    assert isinstance(settings, Settings)
    assert result_options(settings, "a").objects == ("PDF", "KOS")
    assert result_options(settings, "b").objects == ("SEG", "SR")
    assert result_options(settings).objects == ("SEG", "SR")
    assert set(result_options(settings, "a").objects or ()) <= set(ObjectKind)


def test_result_options__label_maps__as_configured(tmp_path: Path) -> None:
    settings = load(tmp_path, "results: {segmentation: labelmap}")
    assert isinstance(settings, Settings)
    assert result_options(settings).segmentation is SegmentationType.LABELMAP
    assert (result_options(Settings()).segmentation, result_options(Settings()).objects) == (
        SegmentationType.BINARY,
        None,
    )


@pytest.mark.parametrize(("objects", "same"), [(None, True), (["SR"], False)])
def test_route_digest__objects_named__is_another_job(objects: list[str] | None, same: bool) -> None:
    plain = Route.model_validate({"name": "a", "task": "fetal-head"})
    named = Route.model_validate({"name": "a", "task": "fetal-head", "objects": objects})
    assert (route_digest(plain) == route_digest(named)) is same
