"""DCMTK's storescu and echoscu, and pynetdicom, against a listener that runs as it does in service."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_context

from node.archive import Archive
from node.listener import TlsFiles
from tests.data import real_data
from tests.node.archive.samples import encoded, meta_of, still
from tests.node.archive.test_filing import _body as body_of
from tests.node.listener.running import Running, listening

LIMIT_S = 120

DCMTK = {  # not by PATH alone: pynetdicom brings programs of the same names into the environment
    tool: shutil.which(tool, path="/usr/bin:/usr/local/bin:/bin") for tool in ("storescu", "echoscu")
}

pytestmark = pytest.mark.skipif(None in DCMTK.values(), reason="DCMTK (Debian package dcmtk) is not installed")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Running]:
    with listening(tmp_path) as running:
        yield running


def dcmtk(tool: str, port: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    options = [argument for argument in arguments if str(argument).startswith("+") or str(argument).startswith("-")]
    rest = [argument for argument in arguments if argument not in options]
    return subprocess.run(
        [str(DCMTK[tool]), "-v", "-aec", "ECHOCARE", *map(str, options), "127.0.0.1", str(port), *map(str, rest)],
        env=os.environ | {"TCP_NODELAY": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def write_file(path: Path, instance: str, *, side: int = 64) -> Path:
    ds = still(instance, side=side)
    path.write_bytes(meta_of(ds).encode() + encoded(ds))
    return path


def test_echoscu__is_answered(node: Running) -> None:
    result = dcmtk("echoscu", node.port)
    assert result.returncode == 0, result.stderr
    assert "Received Echo Response (Success)" in result.stdout + result.stderr


def test_storescu__three_hundred_files_in_four_processes__all_there(tmp_path: Path) -> None:
    files = [write_file(tmp_path / f"{number}.dcm", f"1.2.3.{number}") for number in range(300)]
    with listening(tmp_path / "node", processes=2) as node:
        senders = [
            subprocess.Popen(
                [str(DCMTK["storescu"]), "-aec", "ECHOCARE", "127.0.0.1", str(node.port), *map(str, files[start::4])],
                env=os.environ | {"TCP_NODELAY": "1"},
            )
            for start in range(4)
        ]
        assert [sender.wait(LIMIT_S) for sender in senders] == [0, 0, 0, 0]
        archive = Archive(tmp_path / "node" / "archive")
        uids = {archive.file_away(path).sop_instance_uid for path in node.received()}
        assert uids == {f"1.2.3.{number}" for number in range(300)}


def tags(ds: Dataset) -> list[int]:
    """Elements without group lengths and trailing padding, which DCMTK drops."""
    return [int(element.tag) for element in ds if element.tag.element != 0 and element.tag != 0xFFFCFFFC]


@pytest.mark.data
def test_storescu__every_real_file__stored_as_sent(node: Running) -> None:
    # DCMTK re-encodes what it sends: elements are compared. Exact bytes are pynetdicom's test.
    files = sorted(real_data("dicom_us").glob("*.dcm"))
    refused = []
    for file in files:
        before = set(node.received())
        sent = dcmread(file)
        result = dcmtk("storescu", node.port, "-R", *_proposal(str(sent.file_meta.TransferSyntaxUID)), file)
        if result.returncode != 0:
            refused.append((file.name, result.stdout + result.stderr))
            continue
        (path,) = set(node.received()) - before
        got = dcmread(path)
        assert got.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert got.PixelData == sent.PixelData, file.name
        assert tags(got) == tags(sent), file.name
    # DCMTK 3.6.7 cannot read JPEG XL, nor a File Meta whose group length is wrong.
    assert {name for name, _ in refused} <= {"will-jxl.dcm", "GH364.dcm"}, refused


def _proposal(transfer_syntax: str) -> list[str]:
    option = {
        "1.2.840.10008.1.2": "-xi",
        "1.2.840.10008.1.2.1": "-xe",
        "1.2.840.10008.1.2.2": "-xb",
        "1.2.840.10008.1.2.4.50": "-xy",
        "1.2.840.10008.1.2.4.51": "-xx",
        "1.2.840.10008.1.2.4.70": "-xs",
        "1.2.840.10008.1.2.4.80": "-xt",
        "1.2.840.10008.1.2.4.81": "-xu",
        "1.2.840.10008.1.2.4.90": "-xv",
        "1.2.840.10008.1.2.4.91": "-xw",
        "1.2.840.10008.1.2.5": "-xr",
    }.get(transfer_syntax)
    return [option] if option else []


@pytest.mark.data
def test_pynetdicom__every_real_file__bytes_on_disk_equal_bytes_sent(
    node: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    for file in sorted(real_data("dicom_us").glob("*.dcm")):
        body = body_of(file)
        # pynetdicom encodes data sets anew; here it is to send the file's own bytes.
        monkeypatch.setattr("pynetdicom.association.encode", lambda *_, body=body: body)
        ds = dcmread(file)
        ae = AE(ae_title="US1")
        ae.requested_contexts = [build_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)]
        assoc = ae.associate("127.0.0.1", node.port, ae_title="ECHOCARE")
        assert assoc.is_established, file.name
        status = assoc.send_c_store(ds)
        assoc.release()
        assert status.Status == 0x0000, (file.name, status)
        sent.append(body)
    assert [body_of(path) for path in node.received()] == sent


def certificate(folder: Path, name: str, signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    )
    signed = builder.sign(signer[1] if signer else key, hashes.SHA256())
    (folder / f"{name}.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return signed, key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    authority = certificate(folder, "authority")
    certificate(folder, "node", authority)
    certificate(folder, "scanner", authority)
    certificate(folder, "stranger")
    return folder


def tls_send(port: int, keys: Path, name: str | None, file: Path) -> int:
    identity = ["+tls", keys / f"{name}.key", keys / f"{name}.crt"] if name else ["+tla"]
    command = [
        str(DCMTK["storescu"]),
        "-aec",
        "ECHOCARE",
        *identity,
        "+cf",
        keys / "authority.crt",
        "127.0.0.1",
        str(port),
        file,
    ]
    return subprocess.run(list(map(str, command)), capture_output=True, timeout=LIMIT_S, check=False).returncode


@pytest.mark.parametrize("processes", [1, 2])
def test_tls__server_certificate__encrypts(tmp_path: Path, keys: Path, processes: int) -> None:
    tls = TlsFiles(cert=keys / "node.crt", key=keys / "node.key", ca=None)
    file = write_file(tmp_path / "still.dcm", "1.2.3.4", side=1500)
    with listening(tmp_path / "node", tls=tls, processes=processes) as node:
        assert tls_send(node.port, keys, None, file) == 0
        assert dcmtk("storescu", node.port, file).returncode != 0
        (path,) = node.received()
        assert dcmread(path).PixelData == dcmread(file).PixelData


def test_tls__mutual__only_callers_of_the_authority(tmp_path: Path, keys: Path) -> None:
    tls = TlsFiles(cert=keys / "node.crt", key=keys / "node.key", ca=keys / "authority.crt")
    file = write_file(tmp_path / "still.dcm", "1.2.3.4")
    with listening(tmp_path / "node", tls=tls) as node:
        assert tls_send(node.port, keys, "stranger", file) != 0
        assert tls_send(node.port, keys, None, file) != 0
        assert node.received() == []
        assert tls_send(node.port, keys, "scanner", file) == 0
        assert len(node.received()) == 1
