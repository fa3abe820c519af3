"""Peers for the requestor: DCMTK's storescp, and a scripted acceptor that misbehaves on purpose."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from integration.dimse import Peer
from tests.peers.processes import program


def write_object(path: Path, *, megabytes: float = 0.01, transfer_syntax: str = ExplicitVRLittleEndian) -> Path:
    """A small valid object; its pixels are noise of about the given size."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    ds.StudyInstanceUID = ds.SeriesInstanceUID = "2.25.1"
    ds.PatientName, ds.PatientID, ds.Modality = "PHANTOM^SAMPLE", "PHANTOM-0001", "OT"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.Columns = 512
    ds.Rows = max(1, int(megabytes * 1e6 / 512))
    pixels = np.random.default_rng(3).integers(0, 256, (ds.Rows, 512), np.uint8).tobytes()
    ds.PixelData = encapsulate([pixels]) if ds.file_meta.TransferSyntaxUID.is_compressed else pixels
    ds.save_as(path, enforce_file_format=True)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the peer ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the peer did not start listening")


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Callable[..., tuple[Peer, Path]]]:
    """Start DCMTK's storescp with further options; gives the peer and the folder it stores into."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str, port: int | None = None) -> tuple[Peer, Path]:
        port, folder = port or free_port(), tmp_path / f"storescp-{len(started)}"
        folder.mkdir()
        command = [
            program("storescp", "dcmtk"),
            *options,
            "--aetitle",
            "PEER",
            "--output-directory",
            str(folder),
            str(port),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(process)
        wait_for_port(port, process)
        return Peer(ae_title="PEER", host="127.0.0.1", port=port, response_timeout_s=60), folder

    yield start
    for process in started:
        process.kill()
        process.wait()


@contextmanager
def scripted_scp(**handlers: Callable[..., object]) -> Iterator[Peer]:
    """pynetdicom's acceptor with handlers by event name (`c_store=…`), taking Secondary Capture only."""
    from pynetdicom import AE, evt

    ae = AE(ae_title="PEER")
    ae.add_supported_context(SecondaryCaptureImageStorage, ExplicitVRLittleEndian)
    bound = [(getattr(evt, f"EVT_{name.upper()}"), handler) for name, handler in handlers.items()]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=bound)
    try:
        yield Peer(ae_title="PEER", host="127.0.0.1", port=server.server_address[1], response_timeout_s=60)
    finally:
        server.shutdown()
