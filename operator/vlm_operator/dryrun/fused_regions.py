"""In place of ``torch.compile``: regions whose pointwise results take no memory, where vLLM would compile.

An approximation of Inductor. Python keeps a few tensors alive that a compiled graph would free: about two rows of
hidden size too much in a text model.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .device import SimulatedDevice

_STOCK = 1
"""``CompilationMode.STOCK_TORCH_COMPILE``: up to it, vLLM compiles no model itself."""


def replace_torch_compile(device: SimulatedDevice) -> None:
    """Run what is given to ``torch.compile`` as a fused region."""

    def compile_(function: Any = None, **kwargs: Any) -> Any:
        if function is None:
            return functools.partial(compile_, **kwargs)
        if isinstance(function, torch.nn.Module):
            return function

        @functools.wraps(function)
        def run(*args: Any, **named: Any) -> Any:
            if device.fused_depth:
                return function(*args, **named)
            return device.run_fused(function, *args, **named)

        return run

    torch.compile = compile_


def replace_model_compilation(device: SimulatedDevice) -> None:
    """Run models that vLLM decorates with ``support_torch_compile`` as fused regions, under vLLM's own conditions.

    Source: 0.32 ``compilation/decorators.py``, ``_support_torch_compile``.
    """
    from vllm.compilation import decorators

    signature = inspect.signature(decorators._support_torch_compile)

    def support(cls: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind_partial(cls, *args, **kwargs).arguments
        condition = given.get("enable_if") or given.get("kwargs", {}).get("enable_if")
        if not cls.__dict__.get("_is_fused_region"):
            cls._is_fused_region = True
            cls.__init__ = _constructor(cls, condition, decorators)
            cls.__call__ = _call(device)
        return cls

    decorators._support_torch_compile = support


def _constructor(cls: Any, condition: Callable[[Any], bool] | None, decorators: Any) -> Callable[..., None]:
    construct = cls.__init__
    parameters = inspect.signature(construct).parameters

    def construct_and_decide(self: Any, *args: Any, vllm_config: Any = None, prefix: str = "", **kwargs: Any) -> None:
        from vllm.config import get_current_vllm_config

        config = vllm_config or get_current_vllm_config()
        if "vllm_config" in parameters:
            kwargs["vllm_config"] = config
        if "prefix" in parameters:
            kwargs["prefix"] = prefix
        construct(self, *args, **kwargs)
        self.vllm_config, self.compilation_config = config, config.compilation_config
        compilation = self.compilation_config
        mode = getattr(compilation, "mode", None) or getattr(compilation, "level", None) or 0  # level: up to 0.11.0
        self.do_not_compile = (
            int(mode) <= _STOCK
            or decorators._should_ignore_torch_compile(self.__class__)
            or not (condition is None or condition(config))
        )

    return construct_and_decide


def _call(device: SimulatedDevice) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(self, "do_not_compile", True) or device.fused_depth:
            return self.forward(*args, **kwargs)
        return device.run_fused(self.forward, *args, **kwargs)

    return call
