"""Log wordings for a model that cannot be loaded or is not supported.

Read in vLLM 0.8 to 0.33: ``transformers_utils/{config,tokenizer,processor,repo_utils}.py``, ``model_executor/models/
registry.py``, ``model_executor/model_loader/``; huggingface_hub and transformers.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind
from vlm_operator.engine.log_wordings.template import Wording, wordings
from vlm_operator.engine.startup_reasons import StartupReason

KINDS: Final = (
    FailureKind(
        name="access_denied",
        reason=StartupReason.MODEL_ACCESS_DENIED,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=6,
        wordings=wordings(
            "You are trying to access a gated repo",
            "Cannot access gated repo for url {url:url}",
            "GatedRepoError: {status:int} Client Error",
            *(
                f"{status} Client Error: {words} for url: {{url:url}}"
                for status, words in ((401, "Unauthorized"), (403, "Forbidden"))
            ),
            "Invalid user token",
            "Access to model {model:token} is restricted",
        ),
        pieces=(
            "Make sure to have access to it at",
            "Please log in.",
            "is restricted. You must have access to it and be authenticated to access it",
        ),
    ),
    FailureKind(
        name="model_not_found",
        reason=StartupReason.MODEL_NOT_FOUND,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=12,
        wordings=(
            *wordings(
                "{model:token} is not a local folder and is not a valid model identifier",
                "RepositoryNotFoundError: {status:int} Client Error",
                "Repository Not Found for url: {url:url}",
                "HFValidationError: {reason:rest}",
                "LocalEntryNotFoundError: {reason:rest}",
                "We couldn't connect to '{url:token}' to load",
                "{model:token} does not appear to have a file named {file:name}",
                "{model:token} does not appear to have files named",
                "Can't load tokenizer for '{model:text}'",
                "Can't load image processor for '{model:text}'",
                "Can't load feature extractor for '{model:text}'",
                "Can't load processor for '{model:text}'",
                "Can't load video processor for '{model:text}'",
                "Can't load the configuration of '{model:text}'",
                "Can't load the model for '{model:text}'",
                "Incorrect path_or_model_id: '{model:text}'",
                "Entry Not Found for url: {url:url}",
                "EntryNotFoundError: {status:int} Client Error",
                "Revision Not Found for url: {url:url}",
                "RevisionNotFoundError: {status:int} Client Error",
                "{revision:token} is not a valid git identifier",
                "404 Client Error: Not Found for url: {url:url}",
                "OfflineModeIsEnabled: Cannot reach {url:url}",
                "Cannot reach {url:token} offline mode is enabled",
                "Make sure that a Mistral tokenizer is present in",
            ),
            *wordings("Invalid repository ID or local directory specified: '{model:text}'", versions="0.8-"),
            *wordings(
                "Cannot find any model weights with `{model:text}`",
                "Cannot find any safetensors model weights with `{model:text}`",
                "No model weights found in: `{model:text}`",
                versions="0.6.3-",
            ),
            *wordings("Could not detect config format for no config file found", versions="0.8.4-"),
            *wordings("No supported config format found in {model:url}", versions="0.6.3-0.7.3"),
            *wordings("Could not find checkpoint files '{model:text}'", versions="0.25-"),
        ),
        pieces=(
            "If this is a private repository, make sure to pass a token having permission to this repo",
            "is not a local folder and is not a valid model identifier",
        ),
    ),
    FailureKind(
        name="hub_unreachable",
        reason=StartupReason.MODEL_NOT_FOUND,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=13,
        case="The Hub does not answer, and the model is not in the cache.",
        case_remedy="Check the pod's DNS, egress and proxy (HF_ENDPOINT, HTTPS_PROXY), set a token against rate "
        "limits, or mount the model.",
        wordings=wordings(
            "Failed to resolve {:text}huggingface.co",
            "HTTPSConnectionPool(host={:text}huggingface.co",
            "Max retries exceeded with url: /api/models/",
            "Max retries exceeded with url: /{model:token}/resolve/",
            "httpx.{exception:word}: {reason:rest}",
            "429 Client Error: Too Many Requests for url: {url:url}",
            "{status:int} Server Error: {reason:text} for url: {url:url}",
            "HarmonyError: error downloading or loading vocab file",
            "CERTIFICATE_VERIFY_FAILED",
        ),
    ),
    FailureKind(
        name="checkpoint_unreadable",
        reason=StartupReason.CHECKPOINT_UNREADABLE,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=14,
        wordings=(
            *wordings(
                "SafetensorError: Error while deserializing header: {defect:rest}",
                "SafetensorError: {defect:rest}",
                "Error while deserializing header: {defect:rest}",
                "PytorchStreamReader failed reading zip archive",
                "UnpicklingError: invalid load key",
                "is not a valid JSON file",
                "Value error, Expecting value: line {:int} column",
                "JSONDecodeError: {defect:rest}",
                "Unable to load vocabulary from file",
                "FileNotFoundError: Weight files referenced in index but missing",
            ),
        ),
    ),
    FailureKind(
        name="checkpoint_mismatch",
        reason=StartupReason.CHECKPOINT_UNREADABLE,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=14,
        case="The checkpoint's tensors have other names or shapes than this release's model class expects.",
        case_remedy="Compare the architecture in config.json, --hf-overrides and --quantization with the checkpoint's "
        "tensors: a merged or fine-tuned checkpoint may lack some, and a newer layout needs a newer release.",
        wordings=wordings(
            "Following weights were not initialized from checkpoint: {weights:set}",
            "Following weights were not initialized from checkpoint",
            "ValueError: There is no module or parameter named '{weight:token}' in {archs:word}",
            "AssertionError: Attempted to load weight ({:text}) into parameter (",
            "AssertionError: Attempted to load weight ({:text}) into {:text}parameter",
            "assert param_data.shape == loaded_weight.shape",
            "assert param.size() == loaded_weight.size()",
            versions="0.6.3-",
        ),
    ),
    FailureKind(
        name="trust_remote_code_required",
        reason=StartupReason.TRUST_REMOTE_CODE_REQUIRED,
        failure_class=FailureClass.MODEL,
        retunable=True,
        priority=8,
        wordings=(
            *(
                Wording(
                    f"Failed to load the {what}. If the {{:text}} is a custom {{:text}}consider setting "
                    "`trust_remote_code=True`",
                    versions,
                    {"what": what},
                )
                for what, versions in (
                    ("model config", "0.6.3-"),
                    ("tokenizer", "0.6.3-"),
                    ("processor", "0.6.3-"),
                    ("image processor", "0.6.3-"),
                    ("feature extractor", "0.8.5-"),
                    ("video processor", "0.11-"),
                )
            ),
            *wordings(
                "The repository {model:token} contains custom code which must be executed to correctly load the model",
                "Please pass the argument `trust_remote_code=True` to allow custom code to be run",
            ),
        ),
        pieces=("to allow custom code to be run",),
    ),
    FailureKind(
        name="model_refused",
        reason=StartupReason.ARCHITECTURE_UNSUPPORTED,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=41,
        case="This release's model class does not support a field of the model's config, or a flag.",
        case_remedy="Use the release that the model's card names, or correct the field that the quoted sentence names "
        "with --hf-overrides.",
        wordings=wordings("Unexpected select feature strategy: {strategy:name}"),
    ),
    FailureKind(
        name="architecture_unsupported",
        reason=StartupReason.ARCHITECTURE_UNSUPPORTED,
        failure_class=FailureClass.MODEL,
        retunable=False,
        priority=8,
        wordings=(
            *wordings(
                "Currently, {archs:word} only supports versions {supported:text} Got version: {version:rest}",
                "Model architectures {archs:list} are not supported for now",
                "Model architectures {archs:list} failed to be inspected",
                "Model architectures {archs:token} are not supported for now",
                "Model architectures {archs:token} failed to be inspected",
                versions="0.6.3-",
            ),
            *wordings(
                "Model architecture {archs:token} was supported in vLLM until v{last_version:name}, and",
                "No model architectures are specified",
                versions="0.10.1-",
            ),
            *wordings("Model architecture {archs:token} is not supported in-tree", versions="0.19-"),
            *wordings(
                "{archs:word} has no vLLM implementation and the Transformers implementation is not compatible",
                versions="0.7.3-0.9",
            ),
            *wordings(
                "model type `{model_type:text}` but Transformers does not recognize this architecture",
                "Tokenizer class {tokenizer_class:word} does not exist or is not currently imported",
                "Unrecognized processing class in {model:url}",
                "Unrecognized configuration class {:text} for this kind of AutoModel",
                "`rope_scaling` must be a dictionary with two fields",
                "Unrecognized model in {model:url}. Should have a `model_type` key",
                "GGUF model with architecture {model_type:name} is not supported yet",
            ),
            *wordings("The Transformers implementation of {archs:word} is not compatible with vLLM", versions="0.9-"),
        ),
        pieces=("or because your version of Transformers is out of date",),
    ),
)
