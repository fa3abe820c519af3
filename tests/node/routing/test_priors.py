"""Routes that ask for priors: what is refused before anything starts, and what it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import ConfigError, load_settings
from node.jobs import route_digest

OUT = "out: {kind: folder, path: out}"
PACS = "pacs: {kind: dimse, ae_title: A, host: h, port: 104}"
WEB = "web: {kind: dicomweb, url: 'http://h/dicom-web'}"


def written(tmp_path: Path, priors: str, *peers: str) -> Path:
    file = tmp_path / "echocare-node.yaml"
    route = f"  - {{name: a, task: fetal-head, priors: {priors}}}"
    file.write_text("\n".join(["peers:", *(f"  {peer}" for peer in peers), "routes:", route]))
    return file


@pytest.mark.parametrize(
    ("priors", "peers", "said"),
    [
        ("{}", [OUT], "no peer can be asked for studies: add one of kind dimse, dicomweb or orthanc"),
        ("{}", [OUT, PACS, WEB], "source is needed, for those that can be asked for studies are: pacs, web"),
        ("{source: out}", [OUT, PACS], "peer 'out' is a folder, which holds no studies"),
        ("{source: pasc}", [OUT, PACS], "did you mean 'pacs'"),
        ("{source: other}", [OUT, WEB], "no peer is called 'other'; those that can be asked for studies are: web"),
        ("{most: 0}", [PACS], "greater than or equal to 1"),
        ("{form: pacs}", [PACS], "unknown key"),
    ],
)
def test_priors__that_cannot_be_had__are_refused_with_their_line(
    tmp_path: Path, priors: str, peers: list[str], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, priors, *peers), {})
    (fault,) = caught.value.faults
    assert said in fault.words
    assert fault.where.endswith(f":{len(peers) + 3}")


def test_priors__one_peer_can_be_asked__is_the_default(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "{}", OUT, PACS), {})
    priors = settings.routes[0].priors
    assert priors is not None
    assert (settings.source_of(priors), priors.most, priors.within_days, priors.wait_s) == ("pacs", 2, 1095, 120)


def test_route_digest__priors_asked_for__is_the_same_job(tmp_path: Path) -> None:
    (route,) = load_settings(written(tmp_path, "{most: 3}", PACS), {}).routes
    assert route_digest(route) == route_digest(route.model_copy(update={"priors": None}))
