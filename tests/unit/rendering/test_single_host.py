"""The forms for one machine: whole files as goldens, and the arguments that arrive in the container."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from server_requests import FLAGS, request
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.errors import InputError
from vlm_operator.rendering import ServerRequest, command_line, compose, docker, quadlet

EVERYTHING: dict[str, Any] = {
    "model": {"id": "Qwen/Qwen3-VL-30B-A3B-Instruct", "revision": "1f2e3d", "tokenSecretRef": {"name": "hf-token"}},
    "engine": {
        "image": "registry.example/vllm:v0.31.0",
        "servedModelName": "vision",
        "extraArgs": ["--chat-template", "100% $HOME \"quoted\" 'twice'"],
    },
}
DIRECTORY: dict[str, Any] = {"model": {"path": "/models/qwen3 vl"}}
CPU: dict[str, Any] = {"cpu": {"kvCacheSpace": "4GiB"}}
FORMS = {"command": command_line, "docker": docker, "compose": compose, "quadlet": quadlet}


class TextFile(SingleFileSnapshotExtension):
    """One file per case, so that a reviewer reads what a user gets."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def of(spec: dict[str, Any], *, gpus: int = 1) -> ServerRequest:
    made = request(spec, gpus=gpus)
    return made if "cpu" in spec else replace(made, env={"VLLM_USE_DEEP_GEMM": "0"})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("spec", "gpus"),
    [
        pytest.param(EVERYTHING, 2, id="everything on two GPUs"),
        pytest.param(DIRECTORY, 1, id="a directory of this machine"),
        pytest.param(CPU, 0, id="without a GPU"),
    ],
)
def test_what_a_user_gets(form: str, spec: dict[str, Any], gpus: int, snapshot: SnapshotAssertion) -> None:
    assert FORMS[form](of(spec, gpus=gpus)) == snapshot(extension_class=TextFile)


def shell_words(command: str) -> list[str]:
    """What a shell makes of it: lines that end with a backslash go on, which ``shlex`` does not know."""
    return shlex.split(command.replace(" \\\n", " "))


def docker_words(made: ServerRequest) -> list[str]:
    return shell_words(docker(made))


def arrived_by_docker(made: ServerRequest) -> tuple[str, ...]:
    words = docker_words(made)
    return tuple(words[words.index(made.image) + 1 :])


def arrived_by_compose(made: ServerRequest) -> tuple[str, ...]:
    service = yaml.safe_load(compose(made))["services"][made.name]
    return ("serve", *(word.replace("$$", "$") for word in service["command"]))


def arrived_by_quadlet(made: ServerRequest) -> tuple[str, ...]:
    (line,) = re.findall(r"^Exec=(.*)$", quadlet(made), re.M)
    words = []
    for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line):
        word = quoted or plain
        word = re.sub(r"\\(x[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else m[1], word)
        words.append(word.replace("%%", "%").replace("$$", "$"))
    return tuple(words)


def arrived_by_command(made: ServerRequest) -> tuple[str, ...]:
    words = shell_words(command_line(made))
    return tuple(words[words.index("vllm") + 1 :])


ARRIVED = {
    "docker": arrived_by_docker,
    "compose": arrived_by_compose,
    "quadlet": arrived_by_quadlet,
    "command": arrived_by_command,
}


@pytest.mark.parametrize("form", ARRIVED)
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n\x85\u2028\u2029"), min_size=1))
def test_every_argument_arrives_as_it_is(form: str, value: str) -> None:
    made = request()
    made = replace(made, args=(*made.args, "--chat-template", value))
    assert ARRIVED[form](made) == ("serve", *made.args)


def test_the_token_is_passed_on_and_never_written() -> None:
    made = of(EVERYTHING)
    words = docker_words(made)
    assert words[words.index("HF_TOKEN") - 1] == "--env"
    assert yaml.safe_load(compose(made))["services"][made.name]["environment"]["HF_TOKEN"] is None
    assert "Secret=hf-token,type=env,target=HF_TOKEN" in quadlet(made)


def test_as_many_gpus_as_the_plan_has_are_asked_for() -> None:
    made = of({}, gpus=4)
    words = docker_words(made)
    assert words[words.index("--gpus") + 1] == "4"
    service = yaml.safe_load(compose(made))["services"][made.name]
    assert service["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 4
    assert re.findall(r"^AddDevice=nvidia.com/gpu=(\d)$", quadlet(made), re.M) == ["0", "1", "2", "3"]


def test_a_compose_file_names_a_volume_only_where_it_mounts_one() -> None:
    named, directory = of({}), of({"model": {"id": "Qwen/Qwen3-VL-8B-Instruct", "cache": {"hostPath": "/srv/models"}}})
    assert yaml.safe_load(compose(named))["volumes"] == {"cache": {}}
    file = yaml.safe_load(compose(directory))
    assert "volumes" not in file
    assert file["services"][directory.name]["volumes"] == ["/srv/models:/cache"]


@pytest.mark.parametrize("form", ["docker", "compose", "quadlet"])
def test_the_port_is_not_published_to_the_network(form: str) -> None:
    """vLLM takes requests from everybody."""
    assert "127.0.0.1:8000:8000" in FORMS[form](of({}))
    assert "0.0.0.0" not in FORMS[form](of({}))


@pytest.mark.parametrize("form", ["docker", "compose", "quadlet"])
def test_a_slice_of_a_gpu_is_refused(form: str) -> None:
    made = replace(request(), resources={"nvidia.com/mig-3g.40gb": 1})
    with pytest.raises(InputError, match=r"gpu\.resource: nvidia\.com/mig-3g\.40gb is handed out by Kubernetes"):
        FORMS[form](made)


def test_the_command_names_the_variables_of_the_plan() -> None:
    assert command_line(of({})).startswith("VLLM_USE_DEEP_GEMM=0 vllm serve Qwen/Qwen3-VL-8B-Instruct \\\n")
    assert FLAGS[0] in command_line(of({}))
