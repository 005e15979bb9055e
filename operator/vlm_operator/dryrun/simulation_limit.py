"""Where the simulation ends: it says so instead of guessing."""

from __future__ import annotations


class SimulationLimit(RuntimeError):
    """vLLM asked the simulated device for something that it cannot give; no fault of the model or the flags."""
