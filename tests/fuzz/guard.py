"""Guards around one call: a watchdog, a memory limit, and an ear for code that must not run."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORBIDDEN = frozenset(
    ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
     "subprocess.Popen", "socket.connect", "socket.bind", "ctypes.dlopen", "os.remove", "os.rename",
     "shutil.rmtree", "code.__new__", "marshal.loads", "pickle.find_class")
)  # fmt: skip
"""Audit events that no input may cause."""

_ONLY_BY_IMPORT = frozenset(("ctypes.dlopen", "code.__new__", "marshal.loads", "os.remove",
                             "os.rename", "exec", "compile"))  # fmt: skip


class Hang(BaseException):
    """An input took longer than the watchdog allows."""


class Escape(BaseException):
    """An input made the process do something that reading input never needs."""


class _Ear:
    """The one audit hook of the process; it cannot be removed, only disarmed."""

    def __init__(self) -> None:
        self.armed = False
        self.may_load = False
        self.heard: str | None = None

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.armed:
            return
        bad = event in FORBIDDEN or event in ("exec", "compile")
        if event == "open":
            bad = self._writes_outside(arguments)
        if bad and not (self.may_load and event in _ONLY_BY_IMPORT):
            self.heard = f"{event} {arguments!r:.200}"
            raise Escape(self.heard)

    def _writes_outside(self, arguments: tuple[object, ...]) -> bool:
        path, mode = arguments[0], arguments[1]
        writes = isinstance(mode, str) and any(letter in mode for letter in "wax+")
        if not writes or not isinstance(path, str | bytes):
            return False
        name = path.decode(errors="replace") if isinstance(path, bytes) else path
        return name != os.devnull and not Path(name).resolve().is_relative_to(Path.cwd())


_EAR = _Ear()


def install(memory_mib: int) -> None:
    """Limit the memory of the process and start listening; once, before the first input."""
    limit = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    listen()


def listen() -> None:
    """Add the audit hook, if it is not there yet."""
    if not getattr(sys, "_archsim_fuzz_ear", False):
        sys.addaudithook(_EAR)
        sys._archsim_fuzz_ear = True


@contextmanager
def guarded(seconds: float, *, may_load: bool = False) -> Iterator[None]:
    """Run the body under the watchdog and with the ear armed.

    Python code that hangs is interrupted by a signal; code in C that never returns to Python
    ends the process with a traceback after twice the time.
    """

    def on_alarm(signum: int, frame: object) -> None:
        del signum, frame
        raise Hang(f"more than {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, on_alarm)
    faulthandler.dump_traceback_later(2 * seconds + 1, exit=True)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _EAR.may_load, _EAR.heard, _EAR.armed = may_load, None, True
    try:
        yield
    finally:
        _EAR.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, previous)
    if _EAR.heard is not None:
        raise Escape(_EAR.heard)
