"""Loads batches, and says in one line why a process of its own died, or what a case failed with."""

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch.utils.data import DataLoader, Dataset, default_collate

from lungseg.core.errors import DataError, FailureKind, UserError
from lungseg.core.oom_kills import oom_kills
from lungseg.data.case import Case
from lungseg.data.loader_processes import STARTED

T = TypeVar("T", covariant=True)
KILL, BUS = (int(getattr(signal, name, 0)) for name in ("SIGKILL", "SIGBUS"))  # 0: a system without them
LESS = "take fewer data.workers=, or a smaller data.batch_size= or data.size="


class WorkerDiedError(UserError):
    """Says that a loading process was killed, or ended where it should not."""

    def __init__(self, message: str, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory
        self.kind = FailureKind.OUT_OF_MEMORY if out_of_memory else FailureKind.LOADER_DIED


class OfCases(Protocol[T]):
    """Numbers a data set by case: the last number of a key is that of the case."""

    cases: list[Case]

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any) -> T: ...


@dataclass(frozen=True)
class Failure:
    """Stands in place of a batch that failed: torch would make one text of the error and its traceback."""

    error: Exception


class _Guarded(Dataset[Any]):
    """Hands over what a case failed with."""

    def __init__(self, cases: OfCases[Any]) -> None:
        self.of_cases = cases

    def __len__(self) -> int:
        return len(self.of_cases)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.of_cases[key]
        except (UserError, MemoryError) as error:
            return Failure(error)
        except Exception as error:
            case = self.of_cases.cases[key[-1] if isinstance(key, tuple) else key]
            said = str(error).splitlines()[0] if str(error) else "no reason given"
            return Failure(
                DataError(
                    f"{case.id}: cannot be loaded ({type(error).__name__}: {said}); where in the code: the same with "
                    "data.workers=0 traceback=true"
                )
            )


@dataclass(frozen=True)
class _Collate:
    """Returns the batch, or raises what the first of its cases that failed failed with."""

    collate: Callable[[list[Any]], Any]

    def __call__(self, samples: list[Any]) -> Any:
        return next((sample for sample in samples if isinstance(sample, Failure)), None) or self.collate(samples)


class Loader(DataLoader[T]):
    """Batches of ``cases``, by processes of its own where ``num_workers`` says so."""

    def __init__(self, cases: OfCases[T], collate: Callable[[list[Any]], Any] | None = None, **options: Any) -> None:
        self.processes: Sequence[Any] = []
        self.kills = 0
        guarded = options.get("num_workers", 0) > 0
        collate = collate or default_collate
        super().__init__(
            _Guarded(cases) if guarded else cases,  # type: ignore[arg-type]
            collate_fn=_Collate(collate) if guarded else collate,
            **options,
        )

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.kills = oom_kills()
        iterator = super().__iter__()
        self.processes = list(getattr(iterator, "_workers", []))
        STARTED.add(self.processes, iterator)
        return self._batches(iterator)

    def _batches(self, iterator: Iterator[Any]) -> Iterator[Any]:
        try:
            for batch in iterator:
                if isinstance(batch, Failure):
                    raise batch.error
                yield batch
        except RuntimeError:
            self.raise_if_worker_died()
            raise

    def raise_if_worker_died(self) -> None:
        """Looks at exit codes: torch tells of a death in a ``RuntimeError`` that may arise anywhere in this process."""
        for process in self.processes:
            if process.exitcode:
                memory = process.exitcode == -KILL and oom_kills() > self.kills
                raise WorkerDiedError(_said(process.pid, process.exitcode, memory), memory) from None


def _said(pid: int, code: int, memory: bool) -> str:
    """Why a process died, as far as its exit code and the system's counters tell."""
    if memory:
        return f"out of memory: the system killed a loading process (pid {pid}); {LESS}"
    if code == -KILL:
        return f"a loading process (pid {pid}) was killed by SIGKILL, as where memory runs out; {LESS}"
    if code == -BUS:
        return (
            f"a loading process (pid {pid}) was killed by SIGBUS, as where the shared memory of /dev/shm is full; "
            "take data.workers=0, or give more (docker run --shm-size=8g)"
        )
    if code < 0:
        return f"a loading process (pid {pid}) was killed by {signal.Signals(-code).name}; try data.workers=0"
    return f"a loading process (pid {pid}) ended by itself with exit code {code}; try data.workers=0"
