"""The threads of the BLAS: one in a fit or a prediction, but for large products.

numpy and scipy may each load a BLAS with a pool of threads of its own. A thread without
work spins for some time before it sleeps, so that two pools, called in turn, fight for
the same cores. And work that is divided waits for the last of its parts, which on a core
that is busy elsewhere takes as long as the scheduler pleases. Small products lose more by
that than threads gain. Hence two rules:

- a fit or a prediction calls the BLAS within :func:`one_thread`, which limits all pools
  to one thread;
- within it, work that is large enough takes more (:func:`more_threads`); what is large
  enough is said in :mod:`skgn.linalg.products`. Only numpy is called there, so that no
  other pool is ever awake.

**How many threads at most.** No more than a pool had before: limits of the environment,
of threadpoolctl and of joblib's workers show there. No more than the CPUs that the
process may use, by its affinity and its quota. Python threads that are inside at the same
time share these. Processes of a pool know nothing of each other: where no limit says
which share is theirs, they keep to one thread.

**The numbers belong to the process**, or, where the BLAS uses OpenMP, to each Python
thread. The first one inside notes them, and the last one to leave puts them back, also
after an error or an interrupt; so does a forked process. What another thread sets in the
meantime remains, unless it is a number that was set here.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import parent_process
from threading import RLock, get_ident, local

import joblib
from threadpoolctl import LibController, ThreadpoolController

__all__ = ["more_threads", "most_threads", "one_thread"]

#: No BLAS divides a product of so few multiplications; OpenBLAS begins at 9,216 for a
#: matrix times a vector, at 262,144 for two matrices.
UNDIVIDED = 8192


@cache
def _blas() -> list[LibController]:
    """Return the BLAS libraries; to look for them takes milliseconds."""
    controllers = ThreadpoolController().lib_controllers
    return [library for library in controllers if library.user_api == "blas"]


@cache
def _libraries(per_thread: bool) -> list[LibController]:
    """Return the BLAS libraries that have a number of threads for each Python thread.

    With ``per_thread=False``, those that have one number for the process.
    """
    return [library for library in _blas() if _is_openmp(library) == per_thread]


def _is_openmp(library: LibController) -> bool:
    openmp = getattr(library, "threading_layer", None) == "openmp"
    return openmp and library.internal_api == "openblas"


def _let_go(library: LibController) -> None:
    """Let other Python threads set numbers of threads, too.

    threadpoolctl 3.8 obeys the one that first sets a number, and no other before that one
    lets go. But the last one inside need not be the first.
    """
    let_go = getattr(library, "clear_controlling_thread", None)
    if let_go is not None:
        let_go()


def _set(library: LibController, threads: int) -> None:
    library.set_num_threads(threads)
    _let_go(library)


def _affinity() -> frozenset[int] | None:
    return frozenset(os.sched_getaffinity(0)) if sys.platform == "linux" else None


@cache
def _cpus(affinity: frozenset[int] | None) -> int:
    """Return how many CPUs the process may use; joblib asks for the quota, too."""
    return int(joblib.cpu_count())


class Scope:
    """Libraries that have one thread while somebody is inside.

    Parameters
    ----------
    per_thread : bool
        Which libraries: see :func:`_libraries`.
    """

    def __init__(self, per_thread: bool):
        self.per_thread = per_thread
        self.inside: set[tuple[int, object]] = set()
        self.found: list[tuple[LibController, int]] = []
        self.used: set[int] = set()
        self.lock = RLock()  # garbage collection may leave one while another enters

    def enter(self, who: tuple[int, object]) -> None:
        """Limit the libraries to one thread; `who` begins with a Python thread."""
        with self.lock:
            self.inside.add(who)
            if not self.found:
                libraries = _libraries(self.per_thread)
                self.found = [(library, library.num_threads) for library in libraries]
            self.set(1)

    def leave(self, who: tuple[int, object]) -> None:
        """Put the numbers of threads back if nobody else is inside.

        It does no harm to leave twice, nor where entering was interrupted.
        """
        with self.lock:
            self.inside.discard(who)
            if not self.inside:
                self.restore()

    def set(self, threads: int) -> None:
        """Set the number of threads, where it was found larger."""
        self.used.add(threads)
        for library, number in self.found:
            if number > 1:
                _set(library, min(threads, number))

    def restore(self) -> None:
        """Put back what was found; leave what somebody else has set."""
        for library, number in self.found:
            if number > 1 and library.num_threads in self.used:
                _set(library, number)
        self.found, self.used = [], set()

    def forked(self) -> None:
        """Leave in the place of Python threads that a forked process has lost."""
        self.lock = RLock()
        self.inside.clear()
        self.restore()

    def share(self, limit: int) -> int:
        """Return how many threads each Python thread inside may use."""
        with self.lock:
            cpus = _cpus(_affinity())
            if limit >= cpus and parent_process() is not None:
                return 1
            users = len({thread for thread, _ in self.inside})
            return max(min(limit, cpus) // max(users, 1), 1)


class _Own(local):
    """The scope that each Python thread has of its own."""

    def __init__(self) -> None:
        self.scope = Scope(per_thread=True)


_process, _own = Scope(per_thread=False), _Own()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forked)


def _scopes() -> list[Scope]:
    """Return the scopes that concern this Python thread."""
    return [_process, _own.scope] if _libraries(per_thread=True) else [_process]


@contextmanager
def one_thread(largest: int | None = None) -> Iterator[None]:
    """Limit the BLAS to one thread, but for what :func:`more_threads` encloses.

    Several Python threads may be inside at the same time, and each more than once.

    Parameters
    ----------
    largest : int, optional
        Multiplications of the largest product, where they may be too few for any limit
        to matter. To set and lift one takes some 10 microseconds.
    """
    if largest is not None and largest < UNDIVIDED:
        yield
        return
    who = get_ident(), object()
    scopes = _scopes()
    try:
        try:
            for scope in scopes:
                scope.enter(who)
            yield
        finally:
            for scope in scopes:
                scope.leave(who)
    finally:  # once more, for an interrupt that has cut the first time short
        for scope in scopes:
            scope.leave(who)


@contextmanager
def more_threads(worth: int) -> Iterator[None]:
    """Let numpy's BLAS use more threads within :func:`one_thread`.

    Parameters
    ----------
    worth : int
        Threads that the work is worth. It gets as many of them as there are for it;
        without :func:`one_thread` around it, nothing changes.
    """
    threads = min(worth, most_threads()) if worth > 1 else 1
    if threads == 1:
        yield
        return
    scopes = _scopes()
    try:
        for scope in scopes:
            scope.set(threads)
        yield
    finally:
        for scope in scopes:
            scope.set(1)


def most_threads() -> int:
    """Return how many threads this Python thread may use within :func:`one_thread`."""
    found = [number for scope in _scopes() for _, number in scope.found]
    limit = max(found, default=1)
    return 1 if limit == 1 else _process.share(limit)
