"""From any sequence of changes, outcomes and crashes the lifecycle ends in Ready or in a stop with a reason."""

from __future__ import annotations

from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lifecycle_world import MODEL, UNKNOWN_LOG, UNSUPPORTED_LOG, World, flags_of
from vlm_operator.units import GIB

FLAGS = {"contextLength": "--max-model-len", "gpuMemoryUtilization": "--gpu-memory-utilization",
         "maxNumSeqs": "--max-num-seqs"}  # fmt: skip

SPECS: tuple[dict[str, Any], ...] = (
    {},
    {"goal": "SingleUser"},
    {"goal": "SingleUser", "context": {"minimum": 16384}},
    {"engine": {"contextLength": 32768}},
    {"engine": {"contextLength": 32768, "gpuMemoryUtilization": 0.9, "maxNumSeqs": 4}},
    {"engine": {"gpuMemoryUtilization": 0.7}, "context": {"minimum": 8192, "maximum": 65536}},
    {"goal": "Throughput", "workload": {"images": {"count": 8}}, "retune": {"maxAttempts": 1}},
    {"retune": {"maxAttempts": 0}},
)


class Lifecycle(RuleBasedStateMachine):
    """A VLMDeployment, its user, its node and an operator that is killed now and then."""

    @initialize(spec=st.sampled_from(SPECS), card=st.sampled_from(["NVIDIA-GeForce-RTX-5090", "NVIDIA-L4"]))
    def applied(self, spec: dict[str, Any], card: str) -> None:
        """Somebody applies it."""
        self.world = World(spec={"model": {"id": MODEL}, **spec}, product=card)
        self.checked = 0
        self.failed: set[tuple[str, ...]] = set()

    @rule()
    def reconciled(self) -> None:
        """The operator looks."""
        self.world.reconcile()

    @rule(killed_after=st.integers(0, 3))
    def reconciled_until_killed(self, killed_after: int) -> None:
        """The operator is killed between two writes."""
        self.world.reconcile(killed_after=killed_after)

    @rule(error=st.sampled_from([-GIB, 0, GIB // 2, 2 * GIB, 5 * GIB]))
    def starts_up(self, error: int) -> None:
        """The container runs, and the GPU is not quite as predicted."""
        self.world.error_bytes = error
        if self.world.pod is not None and self.world.start_up() == "failed":
            self.failed.add(self.world.pod.args)

    @rule(ending=st.sampled_from(["node", UNKNOWN_LOG, UNSUPPORTED_LOG]))
    def ends_otherwise(self, ending: str) -> None:
        """The container ends for another reason."""
        self.world.script = [ending]
        if self.world.pod is not None and self.world.start_up() == "failed":
            self.failed.add(self.world.pod.args)
        self.world.script = []

    @rule(spec=st.sampled_from(SPECS))
    def spec_changes(self, spec: dict[str, Any]) -> None:
        """The user edits the spec: a new episode."""
        changed = {"model": {"id": MODEL}, **spec}
        if changed != self.world.spec:
            self.world.spec = changed
            self.world.generation += 1
            self.failed.clear()

    @invariant()
    def new_commands_keep_pins_and_floor_and_are_no_failed_ones(self) -> None:
        """Checked on every command as it is made."""
        for args in self.world.commands[self.checked :]:
            assert args not in self.failed
            flags = flags_of(args)
            for field, value in self.world.spec.get("engine", {}).items():
                assert flags[FLAGS[field]] == str(value)
            floor = self.world.spec.get("context", {}).get("minimum", 0)
            assert int(flags["--max-model-len"]) >= floor
        self.checked = len(self.world.commands)

    def teardown(self) -> None:
        """Left alone, it comes to an end that says why."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.error_bytes, world.script = min(world.error_bytes, 2 * GIB), []
        ending = world.settle()
        assert ending in {"Ready", "Stalled"}, world.status
        if ending == "Stalled":
            stalled = world.condition("Stalled")
            assert stalled["reason"]
            assert stalled["message"]
        assert world.status["observedGeneration"] == world.generation


TestLifecycle = Lifecycle.TestCase
TestLifecycle.settings = hypothesis_settings(max_examples=60, stateful_step_count=25, deadline=None)
