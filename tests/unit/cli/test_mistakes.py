"""What people type wrongly, and what each mistake gets: a sentence with option or field, value, remedy.

``QWEN`` stands for a model of the catalogue, ``L4`` for a GPU that is given. Every mistake ends with an exit code
of the contract and one sentence; none with a traceback.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from vlm_operator.cli.main import main

QWEN = "Qwen/Qwen3-VL-8B-Instruct"
L4 = "--gpu NVIDIA-L4 --offline"
FILE = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: qwen3-vl}
spec:
  model: {id: Qwen/Qwen3-VL-8B-Instruct}
  gpu: {product: NVIDIA-L4}
"""

COMMAND_LINE: list[tuple[str, int, tuple[str, ...]]] = [
    # which command, which model
    ("pln QWEN", 2, ("'pln'", "Did you mean 'plan'?")),
    ("--plan", 2, ("'--plan'",)),
    ("plan", 2, ("model: none is given", "vlmctl plan MODEL --gpu PRODUCT")),
    ("plan QWEN QWEN L4", 2, ("unexpected extra argument", "Qwen3-VL-8B-Instruct")),
    ("plan Qwen/Qwen3-VL-8B-Instrukt L4", 4, ("Qwen/Qwen3-VL-8B-Instrukt", "did you mean Qwen/Qwen3-VL-8B-Instruct")),
    ("plan qwen3-vl-8b L4", 4, ("qwen3-vl-8b", "did you mean Qwen/Qwen3-VL-8B-Instruct")),
    ("plan ./nowhere L4", 2, ("nowhere cannot be read", "a folder that holds a model's config.json")),
    ("plan QWEN L4 -f FILE", 2, ("model: Qwen/Qwen3-VL-8B-Instruct and a file", "leave -f out")),
    ("plan -f nowhere.yaml", 2, ("nowhere.yaml: No such file", "give a readable file")),
    ("plan -f FILE --hf-overrides {}", 2, ("hf-overrides", "spec.engine.extraArgs")),
    # which GPU
    ("plan QWEN", 2, ("gpu: none of --gpu, --gpu-memory", "vlmctl gpus")),
    ("plan QWEN --gpu RTX-9999", 4, ("gpu: 'RTX-9999'", "vlmctl gpus", "--gpu-memory SIZE")),
    ("plan QWEN --gpu RTX-3060", 4, ("gpu: 'RTX-3060'", "RTX-3060-8GB or RTX-3060-12GB")),
    ("plan QWEN --gpu H100 --gpu-memory 80GiB", 2, ("gpu: more than one of", "give one of them")),
    ("plan QWEN --gpu-memory lots", 2, ("gpu-memory: 'lots'", "for instance 9GiB")),
    ("plan QWEN --gpu-memory=-3GiB", 2, ("gpu-memory: '-3GiB'", "for instance 9GiB")),
    ("plan QWEN --gpu-memory 24", 2, ("gpu-memory: 24 bytes", "for instance 31.36GiB")),
    ("plan QWEN L4 --gpu-count 0", 2, ("gpu-count: 0", "between 1 and 4096")),
    ("plan QWEN L4 --gpu-count two", 2, ("--gpu-count", "'two'")),
    ("plan QWEN --gpu H100 --gpu-count 1000", 2, ("gpu-count: 1000", "--nodes 125")),
    ("plan QWEN L4 --nodes 0", 2, ("--nodes", "'0'", "from 1 to 64 nor auto")),
    ("plan QWEN L4 --gpus-per-node 0", 2, ("--gpus-per-node", "0 is not in the range", "1<=x<=64")),
    ("plan QWEN L4 --platform macos", 2, ("--platform", "'macos'", "'linux', 'wsl2', 'windows'")),
    ("plan QWEN L4 --reserve 40GiB", 2, ("reserve: 40.00 GiB", "22.03 GiB of NVIDIA-L4", "keep less")),
    ("plan QWEN L4 --reserve x", 2, ("reserve: 'x'", "for instance 9GiB")),
    ("plan QWEN --cpu-kv-cache-space x", 2, ("cpu-kv-cache-space: 'x'", "for instance 9GiB")),
    # flags of vLLM
    ("plan QWEN L4 --gpu-memory-utilization 83", 2, ("gpu-memory-utilization: 83", "for instance 0.9")),
    ("plan QWEN L4 --gpu-memory-utilization 0", 2, ("gpu-memory-utilization: 0", "for instance 0.9")),
    ("plan QWEN L4 --gpu-memory-utilization 90%", 2, ("--gpu-memory-utilization", "'90%'", "for instance 0.9")),
    ("plan QWEN L4 --gpu-memory-utilisation 0.9", 2, ("'--gpu-memory-utilisation'", "'--gpu-memory-utilization'")),
    ("plan QWEN L4 --max-model-len 0", 2, ("max-model-len: 0", "between 1 and 2^40")),
    ("plan QWEN L4 --max-model-len 32kb", 2, ("max-model-len: '32kb'", "k, m, g")),
    ("plan QWEN L4 --max-model-len 1e9", 2, ("max-model-len: '1e9'", "write a whole number")),
    ("plan QWEN L4 --max-model-len", 2, ("--max-model-len", "requires an argument")),
    ("plan QWEN L4 --max-model-len 9999999", 3, ("max-model-len 9,999,999", "at most 262,144")),
    ("plan QWEN L4 -tp 3", 3, ("tensor-parallel-size: 3", "32 attention heads", "1, 2, 4, 8 or 16")),
    ("plan QWEN L4 -tp 0", 2, ("tensor-parallel-size: 0", "between 1 and 2^40")),
    ("plan QWEN L4 --kv-cache-dtype FP8", 2, ("kv-cache-dtype: 'FP8'", "one of auto, bfloat16, float16, fp8")),
    ("plan QWEN L4 --block-size 7", 2, ("block-size: 7", "use 16, 32, 64 or 128")),
    ("plan QWEN L4 --dtype fp8", 2, ("--dtype", "'fp8'", "'bfloat16'")),
    ("plan QWEN L4 --quantization int3", 4, ("quantization", "'int3'", "leave --quantization unset")),
    ("plan QWEN L4 --limit-mm-per-prompt image=4", 2, ("limit-mm-per-prompt: 'image=4'", "'{\"image\": 4}'")),
    ("""plan QWEN L4 --limit-mm-per-prompt "{'image': 4}" """, 2, ("limit-mm-per-prompt", "double quotes")),
    ("plan QWEN L4 --limit-mm-per-prompt [4]", 2, ("limit-mm-per-prompt: '[4]'", "in braces")),
    ("""plan QWEN L4 --limit-mm-per-prompt '{"images": 4}'""", 2, ("limit-mm-per-prompt.images", "one of image")),
    ("""plan QWEN L4 --limit-mm-per-prompt '{"image": -1}'""", 2, ("limit-mm-per-prompt.image", "-1", "0 to 10^9")),
    ("plan QWEN L4 --mm-processor-kwargs max_pixels=5", 2, ("mm-processor-kwargs: 'max_pixels=5'", "single quotes")),
    ("plan QWEN L4 --hf-overrides x=1", 2, ("hf-overrides: 'x=1'", "single quotes")),
    # the workload
    ("plan QWEN L4 --images four", 2, ("images: 'four'", "4@1920x1080")),
    ("plan QWEN L4 --images 4x1920x1080", 2, ("images: '4x1920x1080'", "4@1920x1080")),
    ("plan QWEN L4 --images 4@0x0", 2, ("image", "width 0", "1920x1080")),
    ("plan QWEN L4 --videos 1@60", 2, ("videos: '1@60'", "1@60s@30fps@1280x720")),
    ("plan QWEN L4 --videos 1@0s", 2, ("video", "0.0 seconds", "60s@30fps@1920x1080")),
    ("plan QWEN L4 --prompt-tokens=-1", 2, ("prompt-tokens", "'-1'", "32768 or 32k")),
    ("plan QWEN L4 --min-context 32kb", 2, ("--min-context", "'32kb'", "32768 or 32k")),
    ("plan QWEN L4 --min-context 64000 --max-context 32k", 2, ("min-context: the floor 64,000", "lower --min-context")),
    ("plan QWEN L4 --goal fast", 2, ("--goal", "'fast'", "'SingleUser', 'Throughput'")),
    # the release, files, forms
    ("plan QWEN L4 --vllm-version latest", 2, ("vllm-version: 'latest'", "for instance 0.32.0")),
    ("plan QWEN L4 --vllm-version 0.5.0", 4, ("vLLM 0.5.0", "known: 0.11.0 to", "--vllm-version")),
    ("plan QWEN L4 --compare next", 2, ("compare: 'next'", "for instance 0.32.0")),
    ("plan QWEN L4 -o xml", 2, ("--output", "'xml'", "'json'")),
    ("plan QWEN L4 --facts /nope.json", 2, ("facts: /nope.json", "give a readable file")),
    ("plan QWEN L4 --observations /nope.json", 2, ("observations: /nope.json", "give a readable file")),
    # other commands
    ("tokens QWEN --image 1920", 2, ("image: '1920'", "--image 1920x1080")),
    ("tokens QWEN --image 0x0", 2, ("image: width 0", "1920x1080")),
    ("tokens QWEN --video 60s", 2, ("video: '60s'", "60s@30fps@1920x1080")),
    ("tokens Qwen/Qwen3-8B --image 10x10", 2, ("Qwen/Qwen3-8B supports neither", "tokenizer")),
    ("capacity", 2, ("Missing argument 'MODEL'",)),
    ("capacity QWEN --kv-cache-memory 9", 2, ("kv-cache-memory: 9 bytes", "9GiB")),
    ("capacity QWEN --kv-cache-memory '9 GiBs'", 2, ("kv-cache-memory: '9 GiBs'", "for instance 9GiB")),
    ("capacity QWEN --max-model-len abc", 2, ("max-model-len: 'abc'", "write a whole number")),
    ("render", 2, ("Missing option", "--filename")),
    ("render -f FILE -o helm", 2, ("'helm'", "'deployment'")),
    ("diagnose nofile.log", 2, ("log: 'nofile.log'", "name a file, - for standard input")),
    ("diagnose FILE", 4, ("No sign of vLLM", "from its first line on")),
    ("models add nope/nope --offline", 4, ("model: nope/nope", "download it first")),
    ("models remove nope/nope", 2, ("nope/nope", "vlmctl models lists them")),
    ("share -f FILE", 2, ("gpu: give one of --gpu and --gpu-memory", "vlmctl gpus")),
    ("diff -f FILE", 2, ("filename: 1 given", "-f BEFORE -f AFTER")),
    ("audit --nodes FILE", 2, ("pods: an offline audit needs", "kubectl get pods -A -o json")),
]

MANIFESTS: list[tuple[str, str, int, tuple[str, ...]]] = [
    ("a bracket left open", "apiVersion: [", 2, ("is not YAML: line", "check brackets")),
    ("empty", "", 2, ("holds no VLMDeployment", "kind: VLMDeployment")),
    ("a tab", FILE.replace("  model", "\tmodel"), 2, ("line 5, column 1", "indent with spaces")),
    ("a typo in kind", FILE.replace("VLMDeployment", "VLMDeploymnt"), 2, ("no VLMDeployment", "kind: VLMDeployment")),
    ("another version", FILE.replace("v1alpha1", "v1"), 2, ("apiVersion", "dev/v1'", "dev/v1alpha1'")),
    ("no name", FILE.replace("{name: qwen3-vl}", "{}"), 2, ("metadata.name: required",)),
    ("an upper-case name", FILE.replace("qwen3-vl", "Qwen3_VL"), 2, ("metadata.name", "lower-case letters")),
    ("no spec", FILE.split("spec:", maxsplit=1)[0], 2, ("spec: required",)),
    ("no model", FILE.replace("  model: {id: Qwen/Qwen3-VL-8B-Instruct}\n", ""), 2, ("spec.model: required",)),
    ("the model as text", FILE.replace("{id: Qwen/Qwen3-VL-8B-Instruct}", "my/vlm"), 2,
     ("spec.model: 'my/vlm'", "a mapping with fields such as id, path")),
    ("an unknown field", FILE + "  gpus: 2\n", 2, ("spec.gpus: unknown field", "did you mean gpu?")),
    ("an unknown field inside", FILE + "  context: {min: 8192}\n", 2, ("spec.context.min", "did you mean minimum?")),
    ("vLLM's spelling", FILE + "  engine: {gpu_memory_utilization: 0.9}\n", 2, ("did you mean gpuMemoryUtilization?",)),
    ("a unit in a number", FILE + "  context: {minimum: 8k}\n", 2, ("spec.context.minimum: '8k'", "valid integer")),
    ("percent", FILE + "  engine: {gpuMemoryUtilization: 90}\n", 2, ("gpuMemoryUtilization: '90'", "equal to 1")),
    ("a number in quotes", FILE + "  engine: {gpuMemoryUtilization: '0.9'}\n", 2, ("'0.9'", "valid number")),
    ("a goal misspelt", FILE + "  goal: singleuser\n", 2, ("spec.goal: 'singleuser'", "'SingleUser' or 'Throughput'")),
    ("GPU and CPU", FILE + "  cpu: {kvCacheSpace: 4Gi}\n", 2, ("gpu and cpu exclude each other", "remove cpu")),
    ("a GPU that is not known", FILE.replace("NVIDIA-L4", "RTX-9999"), 4, ("gpu: 'RTX-9999'", "vlmctl gpus")),
    ("no GPU", FILE.replace("NVIDIA-L4", "NVIDIA-L4, count: 0"), 2, ("spec.gpu.count: '0'", "equal to 1")),
    ("a key twice", FILE + "  goal: SingleUser\n  goal: Throughput\n", 2, ("line 8, column 3", "'goal' stands twice")),
    ("floor above cap", FILE + "  context: {minimum: 64000, maximum: 32000}\n", 2, ("spec.context", "lower the floor")),
    ("a planned flag", FILE + "  engine: {extraArgs: [--max-model-len=4096]}\n", 2,
     ("spec.engine.extraArgs", "--max-model-len", "pin it by its own field")),
    ("arguments as text", FILE + "  engine: {extraArgs: --enable-lora}\n", 2,
     ("spec.engine.extraArgs: '--enable-lora'", "write a list")),
    ("flag and value in one", FILE + "  engine: {extraArgs: ['--seed 4']}\n", 2, ("extraArgs", '["--seed=5"]')),
    ("images as a number", FILE + "  workload: {images: 4}\n", 2,
     ("spec.workload.images: '4'", "a mapping with fields such as count, width, height")),
    ("an unknown modality", FILE + "  engine: {limitMMPerPrompt: {images: 4}}\n", 2,
     ("spec.engine.limitMMPerPrompt.images: 'images'", "'image', 'video'")),
    ("ranks beside GPUs", FILE.replace("NVIDIA-L4", "NVIDIA-L4, count: 2") + "  engine: {tensorParallelSize: 4}\n", 2,
     ("engine.tensorParallelSize must equal gpu.count", "set one of them only")),
    ("id and path", FILE.replace("{id:", "{path: /models/x, id:"), 2, ("exactly one of id and path",)),
    ("negative replicas", FILE + "  replicas: -1\n", 2, ("spec.replicas: '-1'", "equal to 0")),
    ("a size that is none", FILE.replace("NVIDIA-L4", "NVIDIA-L4, reserve: lots"), 2,
     ("spec.gpu.reserve: 'lots'", "a size such as 9Gi")),
    ("a template", FILE.replace("{product: NVIDIA-L4}", "{product: {{ gpu }}}"), 2, ("line 6", "fill the template in")),
    ("latest", FILE + "  engine: {vllmVersion: latest}\n", 2, ("vllmVersion: 'latest'", "such as 0.32.0")),
]  # fmt: skip


def said(arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The exit code and everything printed, on one line and as wide as it likes."""
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), " ".join((err + out).split())


@pytest.mark.parametrize(("line", "code", "words"), COMMAND_LINE, ids=[line for line, *_ in COMMAND_LINE])
def test_a_mistake_on_the_command_line_gets_a_sentence_with_option_value_and_remedy(
    line: str,
    code: int,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.yaml").write_text(FILE)
    arguments = shlex.split(line.replace("QWEN", QWEN).replace("L4", L4, 1).replace("FILE", "model.yaml"))
    ended, text = said(arguments, capsys, monkeypatch)
    assert [word for word in words if word not in text] == [], text
    assert (ended, "Traceback" in text) == (code, False)


@pytest.mark.parametrize(
    ("manifest", "code", "words"), [row[1:] for row in MANIFESTS], ids=[name for name, *_ in MANIFESTS]
)
def test_a_mistake_in_a_manifest_gets_a_sentence_with_field_value_and_remedy(
    manifest: str,
    code: int,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(manifest)
    ended, text = said(["plan", "-f", str(file), "--offline"], capsys, monkeypatch)
    assert [word for word in words if word not in text] == [], text
    assert (ended, "Traceback" in text) == (code, False)


def test_as_many_mistakes_are_listed_as_were_once_tried() -> None:
    assert (len(COMMAND_LINE) >= 56, len(MANIFESTS) >= 17) == (True, True)
