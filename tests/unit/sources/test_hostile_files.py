"""A damaged or malicious model folder gives one clear error, naming file and remedy, in under a second."""

from __future__ import annotations

import io
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from model_files import model_folder, safetensors_bytes, tensor

from vlm_operator.errors import InputError
from vlm_operator.sources import load_model

Arrange = Callable[[Path], Path]


def config_of(content: bytes) -> Arrange:
    def arrange(folder: Path) -> Path:
        (folder / "config.json").write_bytes(content)
        return folder

    return arrange


def sparse_config(size: int) -> Arrange:
    def arrange(folder: Path) -> Path:
        with (folder / "config.json").open("wb") as file:
            file.truncate(size)
        return folder

    return arrange


def full_config(size: int) -> Arrange:
    return config_of(b'{"architectures": ["' + b"x" * size + b'"]}')


def weights_of(content: bytes, name: str = "model.safetensors") -> Arrange:
    def arrange(folder: Path) -> Path:
        (model_folder(folder) / name).write_bytes(content)
        return folder

    return arrange


def index_of(weight_map: object) -> Arrange:
    return weights_of(json.dumps({"metadata": {}, "weight_map": weight_map}).encode(), "model.safetensors.index.json")


def links_in_a_circle(folder: Path) -> Path:
    (folder / "config.json").symlink_to(folder / "b.json")
    (folder / "b.json").symlink_to(folder / "config.json")
    return folder


def a_link_to_itself(folder: Path) -> Path:
    path = folder / "model"
    path.symlink_to(path)
    return path


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "config.json")
    return folder / "config.json"


def unreadable_config(folder: Path) -> Path:
    (folder / "config.json").mkdir()
    return folder


@pytest.mark.parametrize(
    ("arrange", "said"),
    [
        pytest.param(lambda folder: folder, "has no config.json", id="an empty folder"),
        pytest.param(lambda folder: folder / "absent" / "config.json", "cannot be read", id="a path that is not there"),
        pytest.param(sparse_config(0), "is empty", id="an empty config"),
        pytest.param(sparse_config(100_000_000), "100,000,000 bytes", id="a config of 100 MB of zeros"),
        pytest.param(full_config(100_000_000), "bytes or more", id="a config of 100 MB of text"),
        pytest.param(sparse_config(4096), "not JSON", id="a config of zeros"),
        pytest.param(config_of(bytes(range(128, 256)) * 64), "not JSON", id="binary junk"),
        pytest.param(config_of(b'{"hidden_size": 64'), "not JSON", id="a config that breaks off"),
        pytest.param(config_of(b"[1, 2]"), "not an object", id="a list"),
        pytest.param(config_of(b'"config"'), "not an object", id="a string"),
        pytest.param(config_of(b'{"a": 1, "b": {"c": 1, "c": 2}}'), "'c' stands twice", id="a key twice"),
        pytest.param(
            config_of(b'{"a":' * 200_000 + b"1" + b"}" * 200_000), "nested too deep", id="200,000 objects deep"
        ),
        pytest.param(config_of(b"[" * 500_000), "nested too deep", id="500,000 lists deep"),
        pytest.param(config_of(b'{"a": ' + b"9" * 100_000 + b"}"), "not JSON", id="a number of 100,000 digits"),
        pytest.param(links_in_a_circle, "link", id="links in a circle"),
        pytest.param(a_link_to_itself, "cannot be read", id="a folder that links to itself"),
        pytest.param(a_pipe, "not a regular file", id="a pipe that nobody writes to"),
        pytest.param(unreadable_config, "has no config.json", id="a folder called config.json"),
        pytest.param(weights_of(b""), "truncated", id="weights of no bytes"),
        pytest.param(weights_of(b"\x10\0\0"), "truncated", id="weights of three bytes"),
        pytest.param(weights_of(struct.pack("<Q", 2**63) + b"{}"), "truncated", id="a header of 8 EiB"),
        pytest.param(weights_of(struct.pack("<Q", 90) + b'{"a": {}}'), "truncated", id="a header longer than its file"),
        pytest.param(weights_of(struct.pack("<Q", 4) + b"\xff\xfe{}"), "not JSON", id="a header that is not text"),
        pytest.param(weights_of(struct.pack("<Q", 5) + b"[1,2]"), "not an object", id="a header that is a list"),
        pytest.param(weights_of(os.urandom(65536)[:7] + b"\xff" + b"x" * 4096), "truncated", id="weights of junk"),
        pytest.param(weights_of(b"version https://git-lfs"), "Git LFS pointer", id="a pointer of Git LFS"),
        pytest.param(weights_of(safetensors_bytes({"a": 1})), "dtype and shape", id="a tensor that is a number"),
        pytest.param(
            weights_of(safetensors_bytes({"a": {"dtype": "BF16", "shape": [-1]}})),
            "dtype and shape",
            id="a negative size",
        ),
        pytest.param(
            weights_of(safetensors_bytes({"a": {"dtype": "BF16", "shape": ["2"]}})),
            "dtype and shape",
            id="text for a size",
        ),
        pytest.param(
            weights_of(struct.pack("<Q", 300_000) + b'{"a":' * 60_000), "nested too deep", id="a header nested too deep"
        ),
        pytest.param(
            index_of({"a": "model-00001-of-00002.safetensors"}), "1 are missing", id="a shard that is missing"
        ),
        pytest.param(index_of({"a": "../../etc/passwd"}), "no file of the same folder", id="a path out of the folder"),
        pytest.param(
            index_of({"a": "../other/model.safetensors"}), "no file of the same folder", id="a sibling folder"
        ),
        pytest.param(index_of({"a": "/etc/x.safetensors"}), "no file of the same folder", id="a path from the root"),
        pytest.param(index_of({"a": 7}), "no file of the same folder", id="a number for a file"),
        pytest.param(index_of({}), "weight_map is missing or empty", id="an index of nothing"),
        pytest.param(index_of([1]), "weight_map is missing or empty", id="an index that is a list"),
        pytest.param(
            index_of({f"t{number}": f"model-{number}.safetensors" for number in range(50_000)}),
            "50000 files",
            id="an index of 50,000 files",
        ),
    ],
)
def test_the_error_is_clear_and_quick(arrange: Arrange, said: str, tmp_path: Path) -> None:
    path = arrange(tmp_path)
    start = time.process_time()
    with pytest.raises(InputError, match=said) as caught:
        load_model(str(path), offline=True)
    assert time.process_time() - start < 1
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="nothing"),
        pytest.param("a/b/c", id="three parts"),
        pytest.param("Qwen/..", id="a parent folder"),
        pytest.param("Qwen/Qwen3 8B", id="a space"),
        pytest.param("https://example.org/model", id="an address"),
        pytest.param("x" * 5000, id="5,000 letters"),
        pytest.param("model\0name", id="a zero byte"),
        pytest.param("модель/имя", id="letters that no id has"),
    ],
)
def test_a_name_that_can_be_no_model_is_refused_without_a_look_up(name: str) -> None:
    with pytest.raises(InputError, match="Hugging Face id"):
        load_model(name)


def test_a_revision_that_can_be_none_is_refused_without_a_look_up() -> None:
    with pytest.raises(InputError, match="not a branch, tag or commit"):
        load_model("example/model", revision="../../main")


def test_standard_input_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = type("Stream", (), {"buffer": io.BytesIO(b" " * (9 * 2**20))})()
    monkeypatch.setattr("sys.stdin", endless)
    with pytest.raises(InputError, match="more than"):
        load_model("-")


def test_a_checkpoint_is_read_by_its_headers_alone(tmp_path: Path) -> None:
    from vlm_operator.sources.safetensors import TensorHeader, read_headers

    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    (tmp_path / first).write_bytes(safetensors_bytes({"__metadata__": {"format": "pt"}, "a": tensor(2, 3)}))
    (tmp_path / second).write_bytes(safetensors_bytes({"b": tensor(dtype="F32")}))
    (tmp_path / "unrelated.safetensors").write_bytes(safetensors_bytes({"c": tensor(9)}))
    index = {"weight_map": {"a": first, "b": second}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_headers(tmp_path) == {"a": TensorHeader("BF16", (2, 3)), "b": TensorHeader("F32", ())}


def test_without_an_index_every_shard_counts_but_not_the_second_copy_in_mistrals_layout(tmp_path: Path) -> None:
    from vlm_operator.sources.safetensors import read_headers

    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes({"a": tensor(2)}))
    (tmp_path / "consolidated.safetensors").write_bytes(safetensors_bytes({"layers.0.a": tensor(2)}))
    assert list(read_headers(tmp_path) or ()) == ["a"]
