"""Images, videos and sounds of a request: by hand or by files, several of them, the largest counting for all."""

from __future__ import annotations

import json
import shutil
import struct
import wave
from pathlib import Path
from typing import Any

import av
import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from vlm_operator.cli.media_streams import NoReader, NotReadable, SoundStream, read_sound, read_video
from vlm_operator.cli.plan import command as plan
from vlm_operator.cli.tokens import command as tokens
from vlm_operator.cli.workload_items import parse_audios, parse_images, parse_videos
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.planning.intent import Audios, Images, Videos

MODEL = "Qwen/Qwen3-VL-8B-Instruct"
TURNED = {1: False, 3: False, 6: True, 8: True}
"""EXIF orientations, and whether they change width and height."""

UPRIGHT_MATRIX = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
"""How a track of an MP4 file is shown, as it was recorded (ISO/IEC 14496-12, tkhd)."""

TURNED_MATRIX = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
"""The same, turned by a quarter."""


def image(path: Path, width: int, height: int, orientation: int = 1) -> str:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(path, exif=exif)
    return str(path)


def video(path: Path, frames: int = 75, rate: int = 25, width: int = 320, height: int = 180) -> str:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height = width, height
        for _ in range(frames):
            picture = numpy.zeros((height, width, 3), numpy.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return str(path)


def sound(path: Path, seconds: float = 2.5, rate: int = 16_000) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(rate * seconds)))
    return str(path)


@pytest.fixture(params=["PyAV", "ffprobe"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to read a stream, where both are there."""
    if request.param == "ffprobe":
        if shutil.which("ffprobe") is None:
            pytest.skip("ffprobe is not installed")
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["4"], Images(4), id="of the usual size"),
        pytest.param(["4@640x480"], Images(4, 640, 480), id="of this size"),
        pytest.param(["4@640x480", "2@100x200"], Images(6, 640, 480), id="of two sizes: the largest"),
    ],
)
def test_images(texts: list[str], expected: Images | None) -> None:
    assert parse_images(texts, DEFAULT) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["2"], Videos(2), id="of the usual length and size"),
        pytest.param(["2@9s"], Videos(2, 9.0), id="of this length"),
        pytest.param(["2@640x480"], Videos(2, width=640, height=480), id="of this size"),
        pytest.param(["1@9.5s@25fps@640x480"], Videos(1, 9.5, 640, 480, 25.0), id="all of it"),
        pytest.param(
            ["1@9s@25fps@640x480", "1@90s@24fps@64x48"], Videos(2, 90.0, 640, 480, 25.0), id="the longest, the largest"
        ),
    ],
)
def test_videos(texts: list[str], expected: Videos | None) -> None:
    assert parse_videos(texts) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param(["2"], Audios(2), id="of the usual length"),
        pytest.param(["1@9.5s"], Audios(1, 9.5), id="of this length"),
        pytest.param(["1@9.5s", "2@3s"], Audios(3, 9.5), id="the longest"),
    ],
)
def test_audios(texts: list[str], expected: Audios | None) -> None:
    assert parse_audios(texts) == expected


@pytest.mark.parametrize("text", ["", "x", "4@", "4@640", "-1", "4@640x480x3", "4 640x480"])
def test_what_is_no_item_is_refused_with_an_example(text: str) -> None:
    for parse, name in (
        (lambda texts: parse_images(texts, DEFAULT), "images"),
        (parse_videos, "videos"),
        (parse_audios, "audios"),
    ):
        with pytest.raises(InputError, match=name) as refused:
            parse([text])
        assert "for instance" in (refused.value.hint or "")


@pytest.mark.parametrize(("orientation", "turned"), TURNED.items())
@pytest.mark.parametrize(
    ("version", "upright"),
    [(EngineVersion(0, 23), False), (EngineVersion(0, 24), True), (DEFAULT, True)],
    ids=["0.23", "0.24", "newest"],
)
def test_a_photo_counts_as_its_release_of_vllm_turns_it(
    tmp_path: Path, orientation: int, turned: bool, version: EngineVersion, upright: bool
) -> None:
    photo = image(tmp_path / "photo.jpg", 400, 300, orientation)
    expected = Images(1, 300, 400) if turned and upright else Images(1, 400, 300)
    assert parse_images([photo], version) == expected


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "gif", "bmp"])
def test_every_common_format_of_images_is_read(tmp_path: Path, ending: str) -> None:
    assert parse_images([image(tmp_path / f"x.{ending}", 64, 48), "1@2x2"], DEFAULT) == Images(2, 64, 48)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("ending", ["mp4", "avi", "mkv"])
def test_a_video_is_as_long_as_its_frames_at_their_rate(tmp_path: Path, ending: str) -> None:
    read = read_video(video(tmp_path / f"clip.{ending}", frames=75, rate=25))
    assert (read.frames_per_second, read.width, read.height) == (25.0, 320, 180)
    assert read.seconds == pytest.approx(3.0, abs=0.05)


@pytest.mark.usefixtures("reader")
def test_a_sound_is_read(tmp_path: Path) -> None:
    assert read_sound(sound(tmp_path / "speech.wav")) == SoundStream(2.5, 16_000)


@pytest.mark.usefixtures("reader")
def test_a_file_without_such_a_stream_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotReadable):
        read_video(sound(tmp_path / "speech.wav"))
    with pytest.raises(NotReadable):
        read_sound(video(tmp_path / "clip.mp4", frames=2))
    with pytest.raises(NotReadable):
        read_video(__file__)


def test_without_pyav_and_ffprobe_nothing_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, speech = video(tmp_path / "clip.mp4", frames=2), sound(tmp_path / "speech.wav")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoReader):
        read_video(clip)
    with pytest.raises(InputError, match=r"clip\.mp4 is a video, and reading it takes PyAV or ffprobe") as refused:
        parse_videos([clip])
    assert refused.value.hint == "pip install av, or say it by hand: 1@60s@30fps@1280x720"
    with pytest.raises(InputError, match=r"speech\.wav is a sound"):
        parse_audios([speech])


def test_without_pillow_the_size_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = image(tmp_path / "photo.jpg", 40, 30)
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(InputError, match="reading it takes Pillow, which is not installed") as refused:
        parse_images([photo], DEFAULT)
    assert refused.value.hint == "pip install pillow, or say it by hand: 1@1920x1080"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("nowhere.jpg", "nowhere.jpg: No such file", id="missing"),
        pytest.param("", "is a folder", id="a folder"),
        pytest.param("notes.txt", "is no image that can be read", id="no image"),
        pytest.param("cut.jpg", "is no image that can be read", id="cut off"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(Path(image(tmp_path / "whole.jpg", 40, 30)).read_bytes()[:10])
    with pytest.raises(InputError, match=message) as refused:
        parse_images([str(tmp_path / name)], DEFAULT)
    assert refused.value.hint


def planned(*arguments: object) -> Result:
    line = [MODEL, "--gpu", "RTX-5090", "--offline", "-o", "json", *map(str, arguments)]
    return CliRunner().invoke(plan, line, catch_exceptions=False)


def workload(*arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(planned(*arguments).stdout)["workload"]
    return answer


def test_a_plan_for_files_is_the_plan_for_their_sizes(tmp_path: Path) -> None:
    photo, clip = image(tmp_path / "photo.jpg", 800, 600), video(tmp_path / "clip.mp4")
    by_hand = workload("--images", "2@800x600", "--videos", "1@3s@25fps@320x180")
    assert workload("--image", photo, "--image", photo, "--video", clip) == by_hand
    assert by_hand["imageTokens"] > 0
    assert by_hand["videoTokens"] > 0


def test_mixed_sizes_count_as_the_largest_and_the_plan_says_so(tmp_path: Path) -> None:
    small, large = image(tmp_path / "small.png", 64, 48), image(tmp_path / "large.png", 800, 600)
    assert workload("--images", small, "--images", large, "--images", "1@640x480") == workload("--images", "3@800x600")
    assert planned("--images", small, "--images", large).stderr == (
        "note: images of several sizes: each is counted as the largest, 800x600\n"
    )
    assert planned("--images", large).stderr == "note: images: 800x600, as the file says\n"
    assert planned("--images", "3@800x600").stderr == ""


def test_the_note_is_said_once_where_two_releases_are_planned(tmp_path: Path) -> None:
    photo = image(tmp_path / "photo.jpg", 800, 600)
    assert planned("--images", photo, "--compare", "0.32.0").stderr.count("note: images") == 1


def test_files_override_what_a_manifest_says(tmp_path: Path) -> None:
    manifest = tmp_path / "m.yaml"
    manifest.write_text(
        json.dumps(
            {
                "apiVersion": "vlm-operator.dev/v1alpha1",
                "kind": "VLMDeployment",
                "metadata": {"name": "m"},
                "spec": {
                    "model": {"id": MODEL},
                    "gpu": {"product": "NVIDIA-GeForce-RTX-5090"},
                    "workload": {"images": {"count": 9}},
                },
            }
        )
    )
    photo = image(tmp_path / "photo.jpg", 800, 600)
    done = CliRunner().invoke(plan, ["-f", str(manifest), "--image", photo, "-o", "json"], catch_exceptions=False)
    assert json.loads(done.stdout)["workload"]["imageTokens"] == workload("--images", "1@800x600")["imageTokens"]
    assert "overrides the file: --images" in done.stderr


def test_tokens_are_counted_for_files(tmp_path: Path) -> None:
    photo, clip = image(tmp_path / "photo.jpg", 800, 600), video(tmp_path / "clip.mp4")
    line = [MODEL, "--image", photo, "--video", clip, "--image", "800x600", "-o", "json"]
    items = json.loads(CliRunner().invoke(tokens, line, catch_exceptions=False).stdout)["items"]
    assert [item.pop("file", None) for item in items] == [photo, clip, None]
    assert items[0] == items[2]
    assert (items[1]["seconds"], items[1]["framesPerSecond"], items[1]["width"]) == (3, 25, 320)


def test_a_sound_counts_at_the_rate_of_its_file(tmp_path: Path) -> None:
    speech = sound(tmp_path / "speech.wav", seconds=3, rate=44_100)
    line = ["Qwen/Qwen2.5-Omni-7B", "--audio", speech, "--audio", "3s@44100Hz", "-o", "json"]
    items = json.loads(CliRunner().invoke(tokens, line, catch_exceptions=False).stdout)["items"]
    assert items[0].pop("file") == speech
    assert items[0] == items[1]


@pytest.mark.usefixtures("reader")
def test_a_video_of_an_upright_phone_counts_as_it_is_shown(tmp_path: Path) -> None:
    clip = Path(video(tmp_path / "clip.mp4"))
    turned = tmp_path / "turned.mp4"
    before, _, after = clip.read_bytes().rpartition(UPRIGHT_MATRIX)  # the first is the film's, the last the track's
    turned.write_bytes(before + TURNED_MATRIX + after)
    read = read_video(str(turned))
    assert (read.width, read.height) == (180, 320)
