"""W&B: online where a key is and the server answers, offline otherwise; never a reason for a run to fail or hang."""

import contextlib
import logging
import netrc
import os
import re
import secrets
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

import wandb

from lungseg.core.atomic_io import write_atomically
from lungseg.core.errors import UserError
from lungseg.core.locks import locked
from lungseg.core.security.safe_json import read_plain_file
from lungseg.core.shell_commands import shell_word

log = logging.getLogger("lungseg")

PROBE = 3.0  # seconds to wait for the server's first answer
PATIENCE = 6.0  # seconds for W&B's own start, and again for its end


def start(run_dir: Path, *, name: str, project: str, group: str | None, config: dict[str, Any]) -> wandb.Run | None:
    """A W&B run whose files lie in ``run_dir/wandb``; the same one again if ``run_dir`` has had one before.

    None where the environment says ``WANDB_MODE=disabled``.
    """
    wanted = os.environ.get("WANDB_MODE", "online")
    if wanted == "disabled":
        return None
    if _settings_of(run_dir):
        log.info("W&B is left out: its settings here are %s, which came with the run; go to another folder",
                 _settings_of(run_dir))  # fmt: skip
        return None
    mode: Literal["online", "offline"] = "offline" if wanted in ("offline", "dryrun") or not _has_key() else "online"
    if mode == "online" and not _reachable():
        log.info("W&B's server at %s does not answer: logging offline", _server())
        mode = "offline"
    options: dict[str, Any] = {
        "dir": str(run_dir),
        "id": _run_id(run_dir),
        "name": name,
        "project": project,
        "group": group,
        "config": config,
        "resume": "allow",
        "reinit": "create_new",
    }
    try:
        run = wandb.init(mode=mode, settings=_settings(), **options)
    except (wandb.errors.Error, OSError) as error:
        log.info("W&B did not start (%s): logging offline", str(error).splitlines()[0])
        wandb.teardown()  # else it holds the run's id
        mode, run = "offline", wandb.init(mode="offline", settings=_settings(), **options)
    if mode == "offline":
        offline = f"{shell_word(str(run_dir / 'wandb'))}/offline-run-*-{run.id}"  # whose stars are the shell's to fill
        log.info("W&B is offline; to send this run: wandb sync %s", offline)
    run.define_metric("epoch")
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step")
    run.define_metric("val/*", step_metric="epoch")
    return run


def _settings_of(run_dir: Path) -> Path | None:
    """Returns W&B's settings file of this folder if it is a part of the run: entity and server are the reader's own."""
    file = Path(os.environ.get("WANDB_DIR") or ".").absolute() / "wandb" / "settings"
    inside = file.resolve().is_relative_to(run_dir.resolve())
    return file if inside and file.exists() else None


def finish(run: wandb.Run) -> None:
    """Wait a bounded time for what is still to be sent; it is on disk in any case."""
    worker = threading.Thread(target=_finish, args=(run,), daemon=True)
    worker.start()
    worker.join(PATIENCE + 2)
    if worker.is_alive():
        _say_sync(run)


def _finish(run: wandb.Run) -> None:
    try:
        run.finish()
    except TimeoutError:
        _say_sync(run)
    except Exception as error:  # a dashboard is never a reason to lose a run
        log.info("W&B did not finish: %s", error)


def _say_sync(run: wandb.Run) -> None:
    log.info("W&B's server took too long; to send the rest: wandb sync %s", shell_word(str(Path(run.dir).parent)))


def _settings() -> wandb.Settings:
    return wandb.Settings(
        silent=True,
        console="off",
        init_timeout=PATIENCE,
        finish_timeout=PATIENCE,
        finish_timeout_raises=True,
        x_graphql_timeout_seconds=PATIENCE / 2,
        x_graphql_retry_max=1,
        x_disable_meta=True,
        x_disable_stats=False,
    )


def _run_id(run_dir: Path) -> str:
    """Kept beside the run, so that going on and judging later write to the same W&B run.

    In a sweep of W&B's own the agent has chosen it.
    """
    file = run_dir / "wandb_id"
    with locked(file):
        if not file.exists():
            chosen = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
            write_atomically(file, (chosen or secrets.token_hex(4)) + "\n")
    try:
        said = read_plain_file(file, 1000).decode().strip()
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read ({error}); remove it, and the run gets a new id at W&B") from None
    if not re.fullmatch(r"[\w-]{1,128}", said, re.ASCII):
        raise UserError(f"{file}: holds {said[:40]!a}, which is no run's id; remove it, and the run gets a new one")
    return said


def _server() -> str:
    return os.environ.get("WANDB_BASE_URL") or str(wandb.Settings().base_url)


def _has_key() -> bool:
    """Whether W&B would find a key without asking anybody."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    for name in filter(None, (os.environ.get("NETRC"), "~/.netrc", "~/_netrc")):
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            if netrc.netrc(os.path.expanduser(name)).authenticators(urlparse(_server()).hostname or ""):
                return True
    return False


def _reachable() -> bool:
    """Whether the server says anything at all; a name that does not resolve and a silent server count the same."""
    answered = threading.Event()

    def ask() -> None:
        try:
            with urllib.request.urlopen(_server(), timeout=PROBE):
                answered.set()
        except urllib.error.HTTPError:
            answered.set()
        except (OSError, ValueError):
            return

    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(PROBE)
