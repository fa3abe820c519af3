from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from node.config import ConfigError, Fault, Mode, Priority, load_settings

# As design.md has it; these names are a public interface.
DESIGN = """\
node: {ae_title: ECHOCARE, data_dir: var, study_quiet_s: 30, min_free_bytes: 2GB}
listener:
  bind: 127.0.0.1
  dicom_port: 11112
  processes: auto
  max_associations: 100
  allow: [{ae: "*", net: 127.0.0.0/8}]        # who may call; empty means nobody
  tls: {cert: null, key: null, ca: null}
http: {bind: 127.0.0.1, port: 8080}
database: sqlite:///var/node.db
archive: file:var/archive
models: {packages: [var/packages], device: auto, pin: [fetal-head]}
peers:
  pacs: {kind: dimse, ae_title: ORTHANC, host: 127.0.0.1, port: 4242}
  out: {kind: folder, path: var/out}
routes:
  - {name: all-fetal, when: 'view.organ == "fetal head"', task: fetal-head, send_to: [pacs, out], mode: active,
     priority: routine}
"""


def load(folder: Path, text: str, **environ: str) -> object:
    path = folder / "node.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ)


def faults(folder: Path, text: str, **environ: str) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **environ)
    return caught.value.faults


def only(folder: Path, text: str, **environ: str) -> Fault:
    (fault,) = faults(folder, text, **environ)
    return fault


def line(fault: Fault) -> int:
    return int(fault.where.rpartition(":")[2])


def test_load__file_of_the_design__is_read_whole(tmp_path: Path) -> None:
    settings = load(tmp_path, DESIGN)
    assert settings.node.min_free_bytes == 2_000_000_000
    assert settings.data_dir == tmp_path / "var"
    assert settings.database == f"sqlite:///{tmp_path}/var/node.db"
    assert settings.archive_dir == tmp_path / "var" / "archive"
    assert settings.models.packages == (tmp_path / "var" / "packages",)
    assert settings.models.pin == ("fetal-head",)
    assert [str(each.net) for each in settings.listener.allow] == ["127.0.0.0/8"]
    assert settings.peers["pacs"].port == 4242
    assert settings.peers["out"].path == tmp_path / "var" / "out"
    (route,) = settings.routes
    assert (route.send_to, route.mode, route.priority) == (("pacs", "out"), Mode.ACTIVE, Priority.ROUTINE)


def test_load__no_file_at_all__works_beside_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, {})
    assert settings.database == f"sqlite:///{tmp_path}/var/node.db"
    assert settings.listener.dicom_port == 11112
    assert settings.node.ae_title == "ECHOCARE"
    assert {route.task: (route.when, route.send_to) for route in settings.routes} == {
        "fetal-head": ('instance.Modality == "US"', ("out",)),
        "breast-lesion": ('instance.Modality == "US"', ("out",)),
    }
    assert settings.peers["out"].path == tmp_path / "var" / "out"


def test_load__without_a_path__takes_the_file_beside_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echocare-node.yaml").write_text("http: {port: 1}")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "echocare-node.yaml").write_text("http: {port: 2}")
    assert load_settings(None, {}).http.port == 1
    assert load_settings(None, {"ECHOCARE_NODE__DATA_DIR": str(tmp_path / "there" / "data")}).http.port == 2


def test_load__empty_file__is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "# nothing yet\n").http.port == 8080


def test_load__only_the_data_folder_moved__everything_under_it_moves(tmp_path: Path) -> None:
    settings = load(tmp_path, "node: {data_dir: elsewhere}")
    there = tmp_path / "elsewhere"
    assert settings.database == f"sqlite:///{there}/node.db"
    assert settings.archive_dir == there / "archive"
    assert settings.peers["out"].path == there / "out"
    assert settings.models.packages == (there / "packages",)
    assert settings.results_dir.parent == there


def test_load__peers_but_no_routes__results_go_to_those_peers(tmp_path: Path) -> None:
    settings = load(tmp_path, "peers: {pacs: {kind: dimse, ae_title: A, host: h, port: 104}}")
    assert {route.send_to for route in settings.routes} == {("pacs",)}


def test_load__folder_with_spaces__round_trips_through_the_archive_url(tmp_path: Path) -> None:
    folder = tmp_path / "my node"
    folder.mkdir()
    assert load(folder, "archive: file:the archive").archive_dir == folder / "the archive"


def test_settings__read__cannot_be_changed(tmp_path: Path) -> None:
    settings = load(tmp_path, DESIGN)
    with pytest.raises(ValidationError, match="frozen"):
        settings.http.port = 1


def test_load__many_faults__are_all_told_with_their_lines(tmp_path: Path) -> None:
    text = """\
node:
  ae_title: THIS_TITLE_IS_TOO_LONG
  study_quiet_secs: 30
listener:
  dicom_port: 99999
  allow:
    - {ae: US1, net: 10.0.0.0/99}
peers:
  pacs: {kind: dimse, ae_title: A, host: h}
routes:
  - {name: a, task: fetal-head, send_to: [pac]}
  - {name: a, task: fetal-head, send_to: []}
  - {name: b, taks: fetal-head}
"""
    found = {(line(fault), fault.key) for fault in faults(tmp_path, text)}
    assert found == {
        (2, "node.ae_title"),
        (3, "node.study_quiet_secs"),
        (5, "listener.dicom_port"),
        (7, "listener.allow.0.net"),
        (9, "peers.pacs.port"),
        (11, "routes.0.send_to.0"),
        (12, "routes.1.name"),
        (13, "routes.2.task"),
        (13, "routes.2.taks"),
    }


def test_error__printed__has_a_line_per_fault_in_the_files_order(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "http:\n  prot: 1\nnode:\n  ae_title: ''\n")
    head, first, second = str(caught.value).splitlines()
    assert head == "the configuration has 2 faults:"
    assert first.strip() == f"{tmp_path}/node.yaml:2: http.prot: unknown key; did you mean 'port'?"
    assert "node.yaml:4: node.ae_title: " in second


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("lisener: {}", "'listener'"),
        ("node: {ae_titel: A}", "'ae_title'"),
        ("peers: {p: {kind: dimse, ae_titel: A, host: h, port: 1}}", "'ae_title'"),
        ("routes: [{name: a, task: t, sendto: [out]}]", "'send_to'"),
        ("listener: {tls: {crt: a}}", "'cert'"),
    ],
)
def test_unknown_key__close_to_a_known_one__is_told_which(tmp_path: Path, text: str, hint: str) -> None:
    assert any(f"did you mean {hint}" in fault.words for fault in faults(tmp_path, text))


def test_unknown_peer__close_to_a_known_one__is_told_which(tmp_path: Path) -> None:
    text = "peers: {pacs: {kind: folder, path: p}}\nroutes: [{name: a, task: t, send_to: [pasc]}]"
    assert "did you mean 'pacs'" in only(tmp_path, text).words


def test_key_twice__in_one_mapping__is_told_with_both_lines(tmp_path: Path) -> None:
    fault = only(tmp_path, "http:\n  port: 1\n  bind: 127.0.0.1\n  port: 2\n")
    assert (line(fault), fault.key) == (4, "http.port")
    assert "line 2" in fault.words


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("node: {\n  ae_title: A\n", 3, "not valid YAML"),
        ("node:\n\tae_title: A", 2, "not valid YAML"),
        ("- a\n- b\n", None, "must hold keys"),
        ("just words", None, "must hold keys"),
    ],
)
def test_yaml__that_cannot_be_read__is_told_with_its_line(
    tmp_path: Path, text: str, at: int | None, words: str
) -> None:
    fault = only(tmp_path, text)
    assert words in fault.words
    assert at is None or line(fault) == at


def test_file__missing_or_not_text__is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_settings(tmp_path / "absent.yaml", {})
    (tmp_path / "node.yaml").write_bytes(b"node: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(tmp_path / "node.yaml", {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node: {ae_title: NO}", "quotes"),
        ("node: {ae_title: 'A\\B'}", "backslash"),
        ("node: {ae_title: '   '}", "spaces"),
        ("node: {ae_title: 'ÄRZTE'}", "ASCII"),
        ("node: {min_free_bytes: much}", "size"),
        ("node: {study_quiet_s: 0}", "greater than 0"),
        ("node: {study_quiet_s: .inf}", "finite"),
        ("database: mysql://x", "sqlite:///"),
        ("database: 'sqlite:///:memory:'", "sqlite:///"),
        ("archive: s3://bucket", "local folder"),
        ("listener: {tls: {cert: a}}", "go together"),
        ("listener: {tls: {ca: a}}", "certificate of its own"),
        ("jobs: {lease_s: 10, heartbeat_s: 10}", "shorter than lease_s"),
        ("peers: {p: {kind: ftp}}", "dimse"),
        ("peers: {p: {path: x}}", "kind"),
        ("peers: {'a/b': {kind: folder, path: x}}", "must be a name"),
        ("routes: [{name: a, task: t, when: ''}]", "at least 1"),
        ("models: {device: tpu}", "pattern"),
        ("node: 5", "valid dictionary"),
        ("routes: {name: a}", "tuple"),
    ],
)
def test_value__that_cannot_be_used__is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in fault.words for fault in faults(tmp_path, text)), faults(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("512 MiB", 512 * 2**20), ("1.5k", 1500), ("0", 0), ("123", 123), ("7B", 7), ("1TiB", 2**40)],
)
def test_size__with_its_unit__is_in_bytes(tmp_path: Path, text: str, size: int) -> None:
    assert load(tmp_path, f"node: {{min_free_bytes: '{text}'}}").node.min_free_bytes == size


def test_environment__over_the_file__wins(tmp_path: Path) -> None:
    settings = load(tmp_path, DESIGN, ECHOCARE_NODE__LISTENER__DICOM_PORT="104", ECHOCARE_NODE__AE_TITLE="NO")
    assert (settings.listener.dicom_port, settings.node.ae_title) == (104, "NO")


@pytest.mark.parametrize(
    ("variable", "value", "read"),
    [
        ("DICOM_PORT", "11113", lambda s: s.listener.dicom_port == 11113),
        ("PORT", "81", lambda s: s.http.port == 81),
        ("DATABASE", "postgresql+psycopg://a@b/c", lambda s: s.database == "postgresql+psycopg://a@b/c"),
        ("STUDY_QUIET_S", "0.5", lambda s: s.node.study_quiet_s == 0.5),
        ("LISTENER__PROCESSES", "2", lambda s: s.listener.process_count == 2),
        ("LISTENER__TLS__CERT", "null", lambda s: not s.listener.tls.enabled),
        ("LISTENER__ALLOW", '[{"net": "10.0.0.0/8"}]', lambda s: s.listener.allow[0].ae == "*"),
        ("CALLED_AE_CHECK", "false", lambda s: s.listener.called_ae_check is False),
        ("PEERS__PACS__PORT", "1104", lambda s: s.peers["pacs"].port == 1104),
        ("PEERS", '{"out": {"kind": "folder", "path": "x"}, "pacs": {"kind": "folder", "path": "y"}}',
         lambda s: s.peers["pacs"].path.name == "y"),
        ("LOGS__FORMAT", "json", lambda s: s.logs.format == "json"),
    ],
)  # fmt: skip
def test_environment__each_form_of_a_key__is_understood(
    tmp_path: Path, variable: str, value: str, read: object
) -> None:
    assert read(load(tmp_path, DESIGN, **{f"ECHOCARE_NODE__{variable}": value}))


def test_environment__bad_value__names_the_variable(tmp_path: Path) -> None:
    fault = only(tmp_path, DESIGN, ECHOCARE_NODE__DICOM_PORT="many")
    assert (fault.where, fault.key) == ("environment variable ECHOCARE_NODE__DICOM_PORT", "listener.dicom_port")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("DICOM_PROT", "did you mean ECHOCARE_NODE__DICOM_PORT"),
        ("LISTENER__DICOM_PROT", "did you mean ECHOCARE_NODE__LISTENER__DICOM_PORT"),
        ("BIND", "ECHOCARE_NODE__LISTENER__BIND or ECHOCARE_NODE__HTTP__BIND"),
        ("NONSENSE", "no key"),
        ("", "no key"),
    ],
)
def test_environment__unknown_variable__is_told(tmp_path: Path, variable: str, words: str) -> None:
    fault = only(tmp_path, DESIGN, **{f"ECHOCARE_NODE__{variable}": "1"})
    assert words in fault.words
    assert fault.where == f"environment variable ECHOCARE_NODE__{variable}"


def test_environment__one_key_by_two_variables__is_told(tmp_path: Path) -> None:
    both = {"ECHOCARE_NODE__DICOM_PORT": "1", "ECHOCARE_NODE__LISTENER__DICOM_PORT": "2"}
    assert "two variables" in only(tmp_path, DESIGN, **both).words


def test_environment__list_that_is_no_json__is_told(tmp_path: Path) -> None:
    assert "not valid JSON" in only(tmp_path, DESIGN, ECHOCARE_NODE__PEERS="{broken").words


def test_environment__other_variables__are_none_of_ours(tmp_path: Path) -> None:
    assert load(tmp_path, DESIGN, ECHOCARE_DATA="x", PATH="y").http.port == 8080


def test_calling_ae__of_a_peer_without_one__is_the_nodes(tmp_path: Path) -> None:
    own = "  own: {kind: dimse, ae_title: A, host: h, port: 1, calling_ae: SENDER}\nroutes:"
    settings = load(tmp_path, DESIGN.replace("routes:", own))
    assert (settings.calling_ae("pacs"), settings.calling_ae("own")) == ("ECHOCARE", "SENDER")


def test_allow__by_default__is_loopback_only(tmp_path: Path) -> None:
    assert all(each.net.is_loopback for each in load(tmp_path, "").listener.allow)


def test_load__no_bundled_packages__routes_nothing_to_them_by_default(tmp_path: Path) -> None:
    assert {route.task for route in load(tmp_path, "").routes} == {"fetal-head", "breast-lesion"}
    assert load(tmp_path, "models: {bundled: none}\n").routes == ()
    assert load(tmp_path, "", ECHOCARE_NODE__MODELS__BUNDLED="none").routes == ()
