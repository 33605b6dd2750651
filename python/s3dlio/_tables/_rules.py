"""What a gradient does to a row of a table, and what rows begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True)
class Add:
    """``w += g``: sums and counters.

    Example:
        >>> import s3dlio
        >>> s3dlio.Add()
        Add(clip_norm=0.0, clip_value=0.0)
    """

    clip_norm: float = 0.0
    clip_value: float = 0.0
    _rule: ClassVar[str] = "add"


@dataclass(frozen=True)
class SGD:
    """``w -= lr * g``; with momentum ``m = momentum * m + g`` and ``w -= lr * m``, for the rows that have a gradient.

    Attributes:
        lr: The rate.
        momentum: 0 to 1; more than 0 keeps as many numbers more as a row has.
        weight_decay: L2: ``g += weight_decay * w`` before the rule.
        clip_norm: A row's gradient is scaled down to this L2 norm; 0 for never.
        clip_value: Each number of a gradient is cut to plus or minus this; 0 for never.
    """

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    clip_value: float = 0.0
    _rule: ClassVar[str] = "sgd"


@dataclass(frozen=True)
class Adagrad:
    """``s += g * g`` and ``w -= lr * g / (sqrt(s) + eps)``, as ``torch.optim.Adagrad`` does for sparse gradients.

    Attributes:
        lr: The rate.
        eps: See above.
        initial_sum: What sums begin with.
        lr_decay: The rate of step t is ``lr / (1 + (t - 1) * lr_decay)``.
        weight_decay: L2: ``g += weight_decay * w`` before the rule.
        clip_norm: A row's gradient is scaled down to this L2 norm; 0 for never.
        clip_value: Each number of a gradient is cut to plus or minus this; 0 for never.
    """

    lr: float = 0.01
    eps: float = 1e-10
    initial_sum: float = 0.0
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    clip_value: float = 0.0
    _rule: ClassVar[str] = "adagrad"


@dataclass(frozen=True)
class RowwiseAdagrad(Adagrad):
    """Adagrad with one sum a row, ``s += mean(g * g)``, as FBGEMM's exact one: four bytes a row instead of twice the row.

    Attributes:
        lr: The rate.
        eps: See :class:`Adagrad`.
        initial_sum: What sums begin with.
        lr_decay: The rate of step t is ``lr / (1 + (t - 1) * lr_decay)``.
        weight_decay: L2: ``g += weight_decay * w`` before the rule.
        clip_norm: A row's gradient is scaled down to this L2 norm; 0 for never.
        clip_value: Each number of a gradient is cut to plus or minus this; 0 for never.
    """

    _rule: ClassVar[str] = "rowwise_adagrad"


@dataclass(frozen=True)
class Adam:
    """``torch.optim.SparseAdam``: moments move only for the rows that have a gradient; the bias is corrected by the table's step.

    Attributes:
        lr: The rate.
        betas: Of the first and the second moment.
        eps: Beside the root of the second moment.
        weight_decay: L2: ``g += weight_decay * w`` before the rule.
        clip_norm: A row's gradient is scaled down to this L2 norm; 0 for never.
        clip_value: Each number of a gradient is cut to plus or minus this; 0 for never.
    """

    lr: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    clip_value: float = 0.0
    _rule: ClassVar[str] = "adam"


@dataclass(frozen=True)
class RowwiseAdam(Adam):
    """Adam with one second moment a row, of the mean of ``g * g``.

    Attributes:
        lr: The rate.
        betas: Of the first and the second moment.
        eps: Beside the root of the second moment.
        weight_decay: L2: ``g += weight_decay * w`` before the rule.
        clip_norm: A row's gradient is scaled down to this L2 norm; 0 for never.
        clip_value: Each number of a gradient is cut to plus or minus this; 0 for never.
    """

    _rule: ClassVar[str] = "rowwise_adam"


Optimizer: TypeAlias = Add | SGD | Adagrad | RowwiseAdagrad | Adam | RowwiseAdam

#: How the library calls what differs.
_NAMES = {"lr": "learning_rate", "eps": "epsilon", "lr_decay": "rate_decay"}
_KINDS: tuple[type[Any], ...] = (Add, SGD, Adagrad, RowwiseAdagrad, Adam, RowwiseAdam)
_RULES = {kind._rule: kind for kind in _KINDS}


def optimizer_settings(optimizer: Optimizer) -> dict[str, Any]:
    """As the library takes it."""
    given: dict[str, Any] = {_NAMES.get(name, name): value for name, value in vars(optimizer).items()}
    betas = given.pop("betas", None)
    if betas is not None:
        given["beta1"], given["beta2"] = betas
    return {"rule": optimizer._rule, **given}


def optimizer_of(settings: dict[str, Any]) -> Optimizer:
    """From what the library says."""
    kind = _RULES[settings["rule"]]
    fields: list[str] = list(kind.__dataclass_fields__)
    ours = {name: settings[_NAMES.get(name, name)] for name in fields if _NAMES.get(name, name) in settings}
    if "betas" in fields:
        ours["betas"] = (settings["beta1"], settings["beta2"])
    made: Optimizer = kind(**{name: _shortest(value) for name, value in ours.items()})
    return made


def _shortest(value: Any) -> Any:
    """The library keeps numbers in single precision: the decimal fraction that is meant."""
    return tuple(map(_shortest, value)) if isinstance(value, tuple) else float(f"{value:.7g}")


@dataclass(frozen=True)
class Zeros:
    """Rows begin with zeros."""


@dataclass(frozen=True)
class Constant:
    """All numbers of a row begin with one value.

    Attributes:
        value: The value.
    """

    value: float


@dataclass(frozen=True)
class Uniform:
    """Rows begin with numbers drawn uniformly, by the table's seed and the key: in any order, on any machine, the same bits.

    Attributes:
        low: The least.
        high: Not reached.

    Example:
        >>> import s3dlio
        >>> s3dlio.Uniform(-0.01, 0.01)
        Uniform(low=-0.01, high=0.01)
    """

    low: float = -0.01
    high: float = 0.01


@dataclass(frozen=True)
class Normal:
    """The same, from a normal distribution.

    Attributes:
        mean: Its mean.
        std: Its standard deviation.
    """

    mean: float = 0.0
    std: float = 0.01


Initial: TypeAlias = Zeros | Constant | Uniform | Normal


def initial_settings(initial: Initial) -> dict[str, Any]:
    """As the library takes it."""
    values = list(vars(initial).values())
    return {"rows": type(initial).__name__.lower(), **dict(zip(("low", "high"), values, strict=False))}


def initial_of(settings: dict[str, Any]) -> Initial:
    """From what the library says."""
    kinds: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in (Zeros, Constant, Uniform, Normal)}
    kind = kinds[settings["rows"]]
    made: Initial = kind(*(_shortest(settings[name]) for name in ("low", "high")[: len(kind.__dataclass_fields__)]))
    return made
