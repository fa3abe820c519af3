"""Destinations as a site writes them into the configuration, and what is told of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from integration.results import write
from node.config import ConfigError, Settings, load_settings
from node.config.sections import ResultRole

SITE = """\
peers:
  vna:
    kind: dicomweb
    url: https://vna.hospital/dicom-web/
    login: {token_file: secrets/vna}
    tls: {ca: ca.pem}
    roles: [SEG, SR]
    hours: ["22:00-06:00", "sat,sun 00:00-24:00"]
    connections: 2
    per_minute: 30
    bytes_per_s: 2MB
  orthanc: {kind: orthanc, url: "http://orthanc:8042", login: {user: node, password_env: PASSWORD}}
"""


def load(folder: Path, text: str) -> Settings:
    (folder / "node.yaml").write_text(text, encoding="utf-8")
    return load_settings(folder / "node.yaml", {})


def test_load__destinations_of_a_site__are_read_whole(tmp_path: Path) -> None:
    vna, orthanc = load(tmp_path, SITE).peers.values()
    assert vna.kind == "dicomweb" and vna.url == "https://vna.hospital/dicom-web"
    assert (vna.login.token_file, vna.tls.ca) == (tmp_path / "secrets" / "vna", tmp_path / "ca.pem")
    assert (vna.roles, vna.connections, vna.per_minute, vna.bytes_per_s) == (("SEG", "SR"), 2, 30, 2_000_000)
    assert orthanc.kind == "orthanc" and orthanc.login.user == "node"
    assert (orthanc.roles, orthanc.hours, orthanc.per_minute) == (None, (), None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[SEG, SR]", "[SEG, SRR]", "SEG"),
        ('"22:00-06:00"', '"22-6"', "must be like"),
        ('"22:00-06:00"', '"22:00-25:00"', "time of day that there is not"),
        ('"22:00-06:00"', '"06:00-06:00"', "begins when it ends"),
        ('"22:00-06:00"', '"someday 06:00-07:00"', "must be like"),
        ("https://vna", "ftp://vna", "must be an address"),
        ("https://vna", "https://me:secret@vna", "login"),
        ("dicom-web/", "dicom-web?x=1", "must end with a path"),
        ("{token_file: secrets/vna}", "{token_file: a, token_env: B}", "give one"),
        ("{user: node, password_env: PASSWORD}", "{user: node}", "both or neither"),
        ("{user: node, password_env: PASSWORD}", "{password_env: PASSWORD}", "both or neither"),
        ("connections: 2", "connections: 0", "connections"),
        ("per_minute: 30", "per_minute: 0", "per_minute"),
        ("bytes_per_s: 2MB", "bytes_per_s: 0", "bytes_per_s"),
    ],
)
def test_load__mistake_in_a_destination__is_told_with_its_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert SITE.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, SITE.replace(old, new))
    (fault,) = caught.value.faults
    assert words in f"{fault}"
    assert "node.yaml:" in fault.where
    assert "secret@" not in f"{fault}"


def test_roles__every_kind_of_result__can_be_chosen() -> None:
    written = {role for role, _ in (*write._BUILDERS, *write._LATER, *write._SILENCE)}
    assert written <= set(get_args(ResultRole))
