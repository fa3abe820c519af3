"""Sources with real files, sockets and video: what comes out, what is told, and that nothing ends them by accident."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from integration.live import BadSource, FrameSource, SourceLost, SourceOptions, SourceUnavailable, open_source
from integration.live.device import Capture, DeviceSource
from integration.live.pictures import open_file, open_jpeg
from integration.live.pieces import HEADER, MAGIC
from integration.phantom import Identity, fetal_head, fetal_head_cine, write_cine, write_still
from integration.pixels import PixelError, TooLarge
from tests.integration.live.pictures import Heard, jpeg, listening_to
from tests.peers.processes import free_port

OPTIONS = SourceOptions(poll_s=0.02)


def port_of(source: FrameSource) -> int:
    return int(source.where.split(" ")[0].rpartition(":")[2])


def came(count: int) -> Callable[[Heard], bool]:
    return lambda heard: len(heard.frames) >= count


# A folder ------------------------------------------------------------------------------------------------------------


def test_folder__files_appear__each_is_a_frame_and_old_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "old.jpg").write_bytes(jpeg(9))
    source = open_source(f"folder:{tmp_path}", OPTIONS)
    assert "passed over: 1" in source.where
    with listening_to(source) as heard:
        (tmp_path / "a.jpg").write_bytes(jpeg(1))
        Image.fromarray(np.full((30, 40), 7, np.uint8)).save(tmp_path / "b.png")
        heard.wait(came(2), "two frames")
        identity = Identity(study="live", series_number=1, instance_number=1)
        write_still(fetal_head(3, 144, 160), tmp_path / "c.dcm", identity)
        heard.wait(came(3), "the DICOM file")
        shapes = [frame.open().pixels.shape[:2] for frame in heard.frames]
    assert shapes[2] == (144, 160)
    assert sorted(shapes[:2]) == [(30, 40), (48, 64)]
    assert heard.frames[2].open().calibration.regions


def test_folder__file_written_slowly__is_a_frame_once_it_is_whole(tmp_path: Path) -> None:
    with listening_to(open_source(f"folder:{tmp_path}", OPTIONS)) as heard:
        picture = jpeg(1, 200, 200)
        with (tmp_path / "slow.jpg").open("wb") as file:
            for at in range(0, len(picture), len(picture) // 4):
                file.write(picture[at : at + len(picture) // 4])
                file.flush()
        heard.wait(came(1), "the frame")
        assert heard.frames[-1].open().pixels.shape == (200, 200, 3)


def test_folder__unfinished_names__wait_for_their_renaming(tmp_path: Path) -> None:
    with listening_to(open_source(f"folder:{tmp_path}", OPTIONS)) as heard:
        (tmp_path / ".hidden.jpg").write_bytes(jpeg(1))
        (tmp_path / "x.jpg.part").write_bytes(jpeg(2))
        (tmp_path / "seen.jpg").write_bytes(jpeg(3))
        heard.wait(came(1), "the finished file")
        (tmp_path / "x.jpg.part").rename(tmp_path / "x.jpg")
        heard.wait(came(2), "the renamed file")
    assert len(heard.frames) == 2


def test_folder__one_name_replaced_again_and_again__is_a_frame_each_time(tmp_path: Path) -> None:
    with listening_to(open_source(f"folder:{tmp_path}", OPTIONS)) as heard:
        for number in range(1, 4):
            (tmp_path / ".new").write_bytes(jpeg(number))
            (tmp_path / ".new").rename(tmp_path / "latest.jpg")
            heard.wait(came(number), f"frame {number}")


def test_folder__cine__gives_its_last_frame(tmp_path: Path) -> None:
    path = tmp_path / "cine.dcm"
    scenes = list(fetal_head_cine(3, 4, 144, 160))
    write_cine(scenes, path, Identity(study="live"))
    assert np.array_equal(open_file(path, OPTIONS).pixels, scenes[-1].pixels)


def test_folder__taken_away__says_so(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with listening_to(open_source(f"folder:{folder}", OPTIONS)) as heard:
        folder.rmdir()
        heard.wait(lambda heard: isinstance(heard.fault, SourceLost), "the loss is told")


@pytest.mark.parametrize("content", [b"", b"text", jpeg(1)[:500], b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_folder_file__no_picture__is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(PixelError):
        open_file(path, OPTIONS)
    with pytest.raises(PixelError):
        open_file(tmp_path / "gone", OPTIONS)


# Streams -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tcp() -> Iterator[tuple[FrameSource, Callable[[], socket.socket]]]:
    source = open_source("tcp://:0", OPTIONS)
    callers: list[socket.socket] = []

    def call() -> socket.socket:
        callers.append(socket.create_connection(("127.0.0.1", port_of(source)), timeout=10))
        return callers[-1]

    yield source, call
    for caller in callers:
        caller.close()


def test_tcp__pictures_with_lengths_and_without__all_come(tcp: tuple[FrameSource, Callable[[], socket.socket]]) -> None:
    source, call = tcp
    with listening_to(source) as heard:
        sender = call()
        for number in range(3):
            sender.sendall(len(jpeg(number)).to_bytes(4, "big") + jpeg(number))
        sender.sendall(jpeg(3) + jpeg(4))
        heard.wait(came(5), "five frames")
    assert [frame.open().pixels.shape for frame in heard.frames] == [(48, 64, 3)] * 5
    assert not heard.broken


def test_tcp__sender_dies_in_a_picture_and_another_comes__is_told_and_goes_on(
    tcp: tuple[FrameSource, Callable[[], socket.socket]],
) -> None:
    source, call = tcp
    with listening_to(source) as heard:
        first = call()
        first.sendall(jpeg(1) + jpeg(2)[:900])
        heard.wait(came(1), "the first frame")
        first.close()
        heard.wait(lambda heard: len(heard.broken) == 1, "the torn picture is told")
        call().sendall(jpeg(3))
        heard.wait(came(2), "the second sender's frame")


def test_tcp__dead_connection_left_open__does_not_keep_the_next_sender_out(
    tcp: tuple[FrameSource, Callable[[], socket.socket]],
) -> None:
    source, call = tcp
    with listening_to(source) as heard:
        for number in range(1, 4):
            call().sendall(jpeg(number))
            heard.wait(came(number), f"frame of sender {number}")


def test_tcp__port_taken_or_foreign_address__cannot_be_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(SourceUnavailable, match="port must be free"):
            open_source(f"tcp://127.0.0.1:{taken.getsockname()[1]}", OPTIONS)
    with pytest.raises(SourceUnavailable, match="address of this machine"):
        open_source("tcp://192.0.2.1:5600", OPTIONS)


def test_udp__whole_and_in_pieces_and_garbage__pictures_come_and_garbage_is_told() -> None:
    source = open_source("udp://127.0.0.1:0", OPTIONS)
    large = jpeg(2, 400, 400)
    size = 30_000
    pieces = [large[at : at + size] for at in range(0, len(large), size)]
    with listening_to(source) as heard, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        to = ("127.0.0.1", port_of(source))
        sender.sendto(jpeg(1), to)
        heard.wait(came(1), "the whole picture")
        sender.sendto(b"garbage", to)
        for index, piece in enumerate(pieces):
            sender.sendto(HEADER.pack(MAGIC, 1, index, len(pieces)) + piece, to)
        heard.wait(came(2), "the picture in pieces")
    assert len(pieces) > 2
    assert heard.frames[1].open().pixels.shape == (400, 400, 3)
    assert len(heard.broken) == 1


def test_udp__port_taken__cannot_be_opened() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailable):
            open_source(f"udp://127.0.0.1:{taken.getsockname()[1]}", OPTIONS)


# A device ------------------------------------------------------------------------------------------------------------


def test_device__none_there__is_told_without_opencvs_own_words(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceUnavailable, match="plugged in"):
        open_source("device:97", OPTIONS)
    assert capfd.readouterr().err == ""


def test_device__video_of_three_colours__gives_rgb_frames_and_then_says_that_it_ended(tmp_path: Path) -> None:
    video = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 25, (96, 64))
    for _ in range(5):
        writer.write(np.full((64, 96, 3), (0, 0, 250), np.uint8))  # BGR
    writer.release()

    def opened(index: int) -> Capture:
        return cv2.VideoCapture(str(video))

    with listening_to(DeviceSource(0, OPTIONS, opened)) as heard:
        heard.wait(lambda heard: heard.fault is not None, "the end of the video")
    assert isinstance(heard.fault, SourceLost)
    assert len(heard.frames) == 5
    red, green, blue = heard.frames[0].open().pixels.mean(axis=(0, 1))
    assert red > 200 > 50 > max(green, blue)


# Pictures and addresses ----------------------------------------------------------------------------------------------


def test_jpeg__larger_than_the_limit__is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TooLarge, match="max_frame_pixels"):
        open_jpeg(jpeg(1, 100, 100), SourceOptions(max_frame_pixels=5000))


def test_jpeg__gray__stays_gray() -> None:
    out = BytesIO()
    Image.fromarray(np.full((20, 30), 9, np.uint8)).save(out, "JPEG")
    assert open_jpeg(out.getvalue(), OPTIONS).pixels.shape == (20, 30)


def test_jpeg__with_a_spacing__measures_in_millimetres() -> None:
    image = open_jpeg(jpeg(1), SourceOptions(pixel_spacing=(0.5, 0.25)))
    assert image.calibration.length_mm([(0, 0), (4, 0)]) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None)
@given(st.integers(2, 4000), st.binary(min_size=1, max_size=8))
def test_jpeg__damaged_anywhere__is_a_picture_or_refused_in_words(at: int, damage: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    whole = jpeg(1, exif=exif)
    at %= len(whole)
    try:
        assert open_jpeg(whole[:at] + damage + whole[at + len(damage) :], OPTIONS).pixels.size
    except PixelError as refused:
        assert str(refused)


NO_SOURCES = """
folder folder: tcp://127.0.0.1 tcp:5600 tcp://h:99999 udp://h:x device: device:-1 device:camera http://127.0.0.1:80
tcp://127.0.0.1:5600/path rtsp:x
""".split()


@pytest.mark.parametrize("address", ["", *NO_SOURCES])
def test_source__address_of_no_kind__is_refused_with_the_kinds_there_are(address: str) -> None:
    with pytest.raises(BadSource, match="folder:PATH"):
        open_source(address, OPTIONS)


def test_source__folder_missing__cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        open_source(f"folder:{tmp_path / 'nowhere'}", OPTIONS)


def test_source__no_host__listens_on_loopback_only() -> None:
    source = open_source(f"tcp://:{free_port()}", OPTIONS)
    assert source.where.startswith("tcp://127.0.0.1:")
    source.close()
