"""Plans of the audit: ``planning.choose.plan``, remembered by model, GPU and intent."""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.audit.serve_command import ServeCommand
from vlm_operator.capacity.kv import derived_max_model_len
from vlm_operator.engine.flags import uncounted
from vlm_operator.engine.host_flags import NO_FLAGS, HostFlags, host_flags
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan

_FURTHER_UNCOUNTED = frozenset(
    {"--compilation-config", "-cc", "--hf-overrides", "--optimization-level", "--quantization-config"}
)
"""Flags of other people's commands that move memory in ways no plan counts, beside those of ``extraArgs``: models are
read as published here."""

_PROBED_CONTEXT = 4096
"""With this context the KV cache is predicted first where vLLM is to choose the longest that fits."""


class Planner:
    """Plans, each made once. Thousands of pods with a few dozen commands cost a few dozen plans.

    Attributes:
        made: how many were made.
    """

    def __init__(self) -> None:
        self.made = 0
        self._known: dict[tuple[int, GPUFacts, Intent], tuple[ModelFacts, Plan | InputError]] = {}

    def plan(self, model: ModelFacts, gpu: GPUFacts, intent: Intent) -> Plan:
        """The plan of ``planning.choose.plan``.

        Raises:
            InputError: as there.
        """
        key = (id(model), gpu, intent)
        known = self._known.get(key)
        if known is None:
            try:
                known = (model, plan(model, gpu, intent))
            except InputError as error:
                known = (model, error)
            self._known[key] = known
            self.made += 1
        if isinstance(known[1], InputError):
            raise known[1]
        return known[1]

    def prediction(self, model: ModelFacts, gpu: GPUFacts, command: ServeCommand, version: EngineVersion) -> Plan:
        """What a start of this very command would find: nothing is chosen.

        Raises:
            InputError: vLLM would refuse the flags at once.
        """
        intent = prediction_of(command, model, version)
        if not command.auto_context:
            return self.plan(model, gpu, intent)
        probed = self.plan(model, gpu, intent)
        container = probed.container
        if not probed.fits or container is None or not container.max_model_len:
            return probed
        longest = intent.settings.with_(max_model_len=container.max_model_len)
        return self.plan(model, gpu, replace(intent, settings=longest))


def prediction_of(command: ServeCommand, model: ModelFacts, version: EngineVersion) -> Intent:
    """The command as an intent that leaves nothing to choose: an unset context is the model's own."""
    settings = command.settings
    if settings.max_model_len is None:
        try:
            derived = derived_max_model_len(model, version)
        except UnknownFact:
            derived = _PROBED_CONTEXT  # the plan says what is not known
        settings = settings.with_(max_model_len=min(derived, _PROBED_CONTEXT) if command.auto_context else derived)
    further = [each.spelling for each in command.given if each.name is None]
    flags = (*uncounted(further), *(flag for flag in further if flag.partition(".")[0] in _FURTHER_UNCOUNTED))
    return Intent(
        settings=settings,
        pinned=command.pinned,
        version=version,
        is_prediction=True,
        host_flags=_host_flags(command),
        uncounted_flags=tuple(dict.fromkeys(flags)),
    )


def _host_flags(command: ServeCommand) -> HostFlags:
    """What the command says of main memory; vLLM's defaults where a value is not known before the container runs."""
    try:
        return host_flags([f"{each.spelling}={each.value or ''}" for each in command.given])
    except InputError:
        return NO_FLAGS
