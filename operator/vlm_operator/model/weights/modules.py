"""Collect the modules vLLM builds that share a name prefix, a component and a placement.

Names are vLLM's own (``model.layers.{}.self_attn.q_proj``): the names under which vLLM looks a module up in the
quantisation's list of unquantised modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vlm_operator.errors import InputError
from vlm_operator.model.facts import (
    EVERYWHERE,
    Component,
    DType,
    Linear,
    Placement,
    Sharding,
    Stage,
    Tensors,
    WeightModule,
)

MOST_BLOCKS = 4096
"""More blocks than any tower has; a config that says more is refused before they are listed."""

ATTENTION_SCALES = 4
"""fp32 scalars of each attention layer: key, value, query and probability scale (0.32:
``model_executor/layers/attention/attention.py``, ``set_default_quant_scales``)."""


@dataclass(slots=True)
class Block:
    """Modules of ``times`` equal blocks: a run of decoder layers, the blocks of a tower, or one part on its own.

    Attributes:
        modules: where the modules go; shared by all blocks of one model.
        prefix: name of one block, ``{}`` for its number.
        component: part of the model.
        placement: where in the pipeline; what makes vLLM build it.
        times: how many blocks there are.
        sharded: False where vLLM keeps the block whole on every rank whatever the tensor parallelism.
        quantizable: False where vLLM hands the block no quantisation at all.
    """

    modules: list[WeightModule]
    prefix: str
    component: Component
    placement: Placement = EVERYWHERE
    times: int = 1
    sharded: bool = True
    quantizable: bool = True
    dtype: DType | None = None

    def name(self, suffix: str) -> str:
        """Full name of a module of this block."""
        return ".".join(part for part in (self.prefix, suffix) if part)

    def linear(
        self,
        name: str,
        outputs: int,
        inputs: int,
        sharding: Sharding = Sharding.REPLICATED,
        *,
        bias: bool = False,
        heads: int = 0,
        quantizable: bool = True,
        dtype: DType | None = None,
        follows: bool = False,
        fused: str = "",
        times: int = 1,
        multiple: int = 0,
    ) -> None:
        """One weight matrix in each block."""
        if self.times <= 0 or outputs <= 0 or inputs <= 0:
            return
        self.modules.append(
            Linear(
                self.component,
                self.name(name),
                self.times * times,
                outputs,
                inputs,
                sharding if self.sharded else Sharding.REPLICATED,
                heads=heads,
                bias=bias,
                quantizable=quantizable and self.quantizable,
                placement=self.placement,
                dtype=dtype or self.dtype,
                follows=follows,
                fused_name=self.name(fused) if fused else "",
                multiple=multiple,
            )
        )

    def column(self, name: str, outputs: int, inputs: int, *, bias: bool = False, **more: object) -> None:
        """A column-parallel matrix: outputs divided over ranks."""
        self.linear(name, outputs, inputs, Sharding.OUTPUT, bias=bias, **more)  # type: ignore[arg-type]

    def row(self, name: str, outputs: int, inputs: int, *, bias: bool = False, **more: object) -> None:
        """A row-parallel matrix: inputs divided over ranks."""
        self.linear(name, outputs, inputs, Sharding.INPUT, bias=bias, **more)  # type: ignore[arg-type]

    def merged(
        self,
        fused: str,
        names: Sequence[str],
        outputs: Sequence[int],
        inputs: int,
        *,
        bias: bool = False,
        sharding: Sharding = Sharding.OUTPUT,
    ) -> None:
        """Several column-parallel matrices that vLLM keeps in one tensor ``fused``."""
        for position, (name, rows) in enumerate(zip(names, outputs, strict=True)):
            self.linear(name, rows, inputs, sharding, bias=bias, follows=position > 0, fused=fused)

    def qkv(
        self,
        module: str,
        heads: int,
        kv_heads: int,
        head_size: int,
        inputs: int,
        *,
        bias: bool = False,
        value_head_size: int = 0,
        names: tuple[str, str, str] = ("q_proj", "k_proj", "v_proj"),
        fused: str = "qkv_proj",
    ) -> None:
        """Query, key and value projections, fused in vLLM; key/value heads are copied where ranks outnumber them."""
        path = f"{module}." if module else ""
        kv = {"heads": kv_heads, "bias": bias, "follows": True, "fused": path + fused}
        self.linear(path + names[0], heads * head_size, inputs, Sharding.OUTPUT, bias=bias, fused=path + fused)
        for name, size in ((names[1], head_size), (names[2], value_head_size or head_size)):
            self.linear(path + name, kv_heads * size, inputs, Sharding.KV_HEADS, **kv)  # type: ignore[arg-type]

    def gated_mlp(self, module: str, hidden: int, intermediate: int, *, bias: bool = False, **more: object) -> None:
        """Gate and up projection (fused) and down projection."""
        self.merged(
            f"{module}.gate_up_proj",
            (f"{module}.gate_proj", f"{module}.up_proj"),
            (intermediate, intermediate),
            hidden,
            bias=bias,
        )
        self.row(f"{module}.down_proj", hidden, intermediate, bias=bias, **more)

    def mlp(
        self,
        module: str,
        hidden: int,
        intermediate: int,
        names: tuple[str, str],
        *,
        bias: bool = True,
        outputs: int = 0,
    ) -> None:
        """A plain two-matrix MLP."""
        self.column(f"{module}.{names[0]}", intermediate, hidden, bias=bias)
        self.row(f"{module}.{names[1]}", outputs or hidden, intermediate, bias=bias)

    def tensor(
        self,
        name: str,
        elements: int,
        sharding: Sharding = Sharding.REPLICATED,
        *,
        dtype: DType | None = None,
        heads: int = 0,
        times: int = 1,
    ) -> None:
        """A small tensor in each block."""
        if self.times <= 0 or elements <= 0:
            return
        self.modules.append(
            Tensors(
                self.component,
                self.name(name),
                self.times * times,
                elements,
                sharding if self.sharded else Sharding.REPLICATED,
                dtype=dtype or self.dtype,
                heads=heads,
                placement=self.placement,
            )
        )

    def norm(self, name: str, size: int, *, bias: bool = False) -> None:
        """A normalisation's weight, and bias where it has one."""
        self.tensor(name, size, times=2 if bias else 1)

    def attention_scales(self, name: str = "self_attn.attn") -> None:
        """The fp32 scalars that every attention layer keeps as buffers."""
        self.tensor(f"{name}.scales", 1, dtype=DType.FLOAT32, times=ATTENTION_SCALES)

    def experts(
        self,
        module: str,
        experts: int,
        hidden: int,
        intermediate: int,
        *,
        gated: bool = True,
        bias: bool = False,
        names: tuple[str, str, str] = ("gate_proj", "down_proj", "up_proj"),
        least: int = 0,
    ) -> None:
        """The routed experts of a layer: ``w13`` (gate and up) and ``w2`` (down), one of each an expert.

        ``least`` is the width to which vLLM pads a rank's share.
        """
        if self.times <= 0 or experts <= 0:
            return
        shared = {
            "placement": self.placement,
            "experts": experts,
            "bias": bias,
            "fused_name": self.name(module),
            "least_shard": least,
        }
        count = self.times * experts
        for position, (name, rows, columns, sharding) in enumerate(
            (
                (names[0], intermediate, hidden, Sharding.EXPERT_OUTPUT),
                (names[2], intermediate, hidden, Sharding.EXPERT_OUTPUT),
                (names[1], hidden, intermediate, Sharding.EXPERT_INPUT),
            )
        ):
            if position == 0 and not gated:
                continue
            self.modules.append(
                Linear(
                    Component.EXPERTS,
                    self.name(f"{module}.{{}}.{name}"),
                    count,
                    rows,
                    columns,
                    sharding,
                    quantizable=self.quantizable,
                    follows=position == 1 and gated,
                    **shared,  # type: ignore[arg-type]
                )
            )

    def part(self, suffix: str) -> Block:
        """The same block with a longer prefix."""
        return replace(self, prefix=self.name(suffix))


@dataclass(slots=True)
class Collection:
    """All modules of one model, in the order vLLM builds them."""

    modules: list[WeightModule] = field(default_factory=list)

    def layers(self, prefix: str, numbers: Sequence[int], component: Component = Component.LANGUAGE_LAYERS) -> Block:
        """A block for the decoder layers with these numbers; ``prefix`` holds ``{}``."""
        return Block(self.modules, prefix, component, Placement(layers=tuple(numbers)), len(numbers))

    def at(self, prefix: str, component: Component, stage: Stage = Stage.EVERY) -> Block:
        """A block of its own outside the decoder's layers."""
        return Block(self.modules, prefix, component, Placement(stage=stage))

    def tower(
        self,
        prefix: str,
        blocks: int,
        *,
        component: Component = Component.VISION_TOWER,
        modalities: tuple[str, ...] = ("image", "video"),
        data_parallel: bool = False,
        sharded: bool = True,
        quantizable: bool = True,
    ) -> Block:
        """The blocks of an encoder; ``blocks`` 1 and no ``{}`` for a part of it that exists once.

        Raises:
            InputError: more blocks than any tower has.
        """
        if blocks > MOST_BLOCKS:
            raise InputError(
                f"{prefix.removesuffix('.{}')}: {blocks:.3g} blocks are more than any tower's {MOST_BLOCKS}",
                field="vision_config",
                hint="check the layers of the tower that the config names",
            )
        numbers = tuple(range(blocks)) if "{}" in prefix else ()
        placement = Placement(modalities=modalities, data_parallel=data_parallel, numbers=numbers)
        return Block(self.modules, prefix, component, placement, blocks, sharded, quantizable)

    def vocabulary(
        self, name: str, component: Component, rows: int, columns: int, stage: Stage, **more: object
    ) -> None:
        """An embedding or output matrix whose rows are padded and divided over ranks."""
        self.modules.append(
            Linear(
                component,
                name,
                1,
                rows,
                columns,
                Sharding.VOCABULARY,
                quantizable=bool(more.get("quantizable", False)),
                bias=bool(more.get("bias", False)),
                placement=Placement(stage=stage),
            )
        )
