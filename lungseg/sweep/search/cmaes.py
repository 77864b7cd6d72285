"""Lets CMA-ES go on from a study's storage without running what somebody may have put there."""

import io
import pickle
from typing import Any

import cmaes
import numpy as np
from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

from lungseg.core.errors import UserError

PARTS = {  # all that a pickled optimizer is made of
    *(("cmaes", name) for name in ("CMA", "SepCMA", "CMAwM")),
    *(("cmaes._cma", name) for name in ("CMA",)),
    *(("cmaes._sepcma", name) for name in ("SepCMA",)),
    *(("cmaes._cmawm", name) for name in ("CMAwM",)),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    *(("numpy.random._pickle", name) for name in ("__randomstate_ctor", "__bit_generator_ctor")),
    ("numpy.random._mt19937", "MT19937"),
}


DAMAGED = (pickle.UnpicklingError, ValueError, KeyError, TypeError, EOFError, AttributeError, IndexError, MemoryError)


class _OptimizerReader(pickle.Unpickler):
    """Makes nothing but an optimizer, arrays and a random generator."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PARTS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an optimizer")
        return _empty_array if name == "_reconstruct" else super().find_class(module, name)


def _empty_array(kind: type, shape: tuple[int, ...], data_type: bytes) -> Any:
    """Makes what NumPy pickles before an array's content, which is empty; a larger one would only take memory."""
    if kind is not np.ndarray or shape != (0,):
        raise pickle.UnpicklingError(f"an array begins with the shape {shape}")
    return np.ndarray((0,), np.dtype(data_type.decode()))


class SafeCmaEsSampler(CmaEsSampler):
    """Optuna's, which keeps its optimizer pickled in the storage; here only an optimizer is read back from there."""

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            prefix = self._attr_key_optimizer
            attrs = {key: value for key, value in trial.system_attrs.items() if key.startswith(prefix)}
            if not attrs:
                continue
            try:
                content = bytes.fromhex(self._concat_optimizer_attrs(attrs))
                optimizer = _OptimizerReader(io.BytesIO(content)).load()
                if not isinstance(optimizer, cmaes.CMA | cmaes.SepCMA | cmaes.CMAwM):
                    raise ValueError(f"it is a {type(optimizer).__name__}")
                return optimizer
            except (
                pickle.UnpicklingError,
                ValueError,
                KeyError,
                TypeError,
                EOFError,
                AttributeError,
                IndexError,
            ) as error:
                raise UserError(
                    f"sampler=cmaes: the storage holds a state that no search has written ({error}); "
                    "do not use this study, or begin it anew with another out=FOLDER"
                ) from None
        return None
