"""Where published weights lie on this machine, and whether their hub can be reached. Nothing heavy is imported."""

import contextlib
import importlib.util
import os
import re
import socket
import threading
import urllib.request
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from lungseg.core.errors import UserError, WeightsMissingError

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def require_weights(encoder: str | None, weights: str | None) -> None:
    """Refuse ``pretrained=true`` at once where its weights can neither be found nor fetched.

    Returns wherever it is unsure: building the net looks again, exactly.
    """
    if weights is not None:
        locate(weights)
        return
    repo = _published_repo(encoder) if encoder else None
    if encoder is not None and repo is not None and not _maybe_cached(repo) and not reachable():
        raise missing(encoder, repo)


def locate(weights: str) -> Path:
    """The file that ``model.weights=`` means: itself, or the best checkpoint of a run directory."""
    path = Path(weights).expanduser()
    if path.is_dir():
        path = path / "checkpoints" / "best.ckpt"
        if not path.is_file():
            raise UserError(
                f"model.weights={weights}: a directory without checkpoints/best.ckpt; expected a run directory that "
                "train.py made, or a file of encoder weights"
            )
    if not path.is_file():
        raise UserError(
            f"model.weights={weights}: no such file; expected encoder weights ({', '.join(SUFFIXES)}) "
            "or a run directory"
        )
    if path.suffix not in SUFFIXES:
        raise UserError(
            f"model.weights={weights}: a file of unknown kind; expected {', '.join(SUFFIXES)} or a run directory"
        )
    return path


def missing(encoder: str, wanted: str, folder: Path | None = None) -> UserError:
    """The error to raise for weights ``wanted`` (a repository's id, or an address) that cannot be had."""
    folder = folder or cache_folder()
    return WeightsMissingError(
        f"pretrained=true: the weights of model.encoder={encoder} ({wanted}) are not on this machine and "
        f"{_endpoint().hostname} cannot be reached; either (1) run this once where there is a network and copy "
        f"its hub cache to {folder}, or (2) set HF_HOME / TORCH_HOME to a folder that has them already, or "
        "(3) give model.weights=<file> (.safetensors, .pth, .pt)",
        encoder,
    )


def cache_folder() -> Path:
    """The hub cache, by the environment's variables as the hub's own client reads them."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    home = os.environ.get("HF_HOME", str(default))
    cache = os.environ.get("HF_HUB_CACHE", os.environ.get("HUGGINGFACE_HUB_CACHE", str(Path(home) / "hub")))
    return Path(os.path.expandvars(cache)).expanduser()


def torch_folder() -> Path:
    """Where torch keeps files that it fetched from a web address."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return Path(os.environ.get("TORCH_HOME", str(default))).expanduser() / "hub" / "checkpoints"


def reachable(wait: float = 1.5) -> bool:
    """True if the hub, or the proxy in front of it, takes a connection within ``wait`` seconds."""
    if any(
        os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    ):
        return False
    target = _endpoint()
    proxies = urllib.request.getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    answered = threading.Event()

    def probe() -> None:
        with contextlib.suppress(OSError, ValueError):
            port = target.port or PORTS.get(target.scheme, 443)
            with socket.create_connection((target.hostname or "", port), timeout=wait):
                answered.set()

    thread = threading.Thread(target=probe, daemon=True)  # looking a name up has no time limit of its own
    thread.start()
    thread.join(wait)
    return answered.is_set()


def _endpoint() -> SplitResult:
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return urlsplit(endpoint if "//" in endpoint else f"https://{endpoint}")


def _maybe_cached(repo: str) -> bool:
    """By the folders' names; any doubt counts as cached."""
    owner, name = repo.split("/")
    folders = [path.name for path in cache_folder().glob("models--*")]
    if owner == "smp-hub":
        return f"models--{owner}--{name}" in folders
    if torch_folder().is_dir() and any(torch_folder().iterdir()):
        return True
    return any(not folder.startswith("models--smp-hub--") for folder in folders)


def _published_repo(encoder: str) -> str | None:
    """The id of the encoder's repository, read from the text of the packages: importing them takes seconds.

    None for a name that is not found there, and for weights that lie elsewhere.
    """
    if not encoder.startswith("tu-"):
        text = _source("segmentation_models_pytorch", "encoders")
        found = re.findall(rf'"(smp-hub/{re.escape(encoder)}\.[\w.-]+)"', text)
        return next((repo for repo in found if repo.endswith(".imagenet")), found[0] if found else None)
    name = re.escape(encoder.removeprefix("tu-"))
    tag = r"" if "." in encoder else r"\.[\w.-]+"
    config = re.search(rf"""["']({name}{tag})["']:\s*\w+\(([^()]*)""", _source("timm", "models"))
    return f"timm/{config[1]}" if config and re.search(r"""hf_hub_id=["']timm/["']""", config[2]) else None


def _source(package: str, folder: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    files = sorted((Path(spec.origin).parent / folder).glob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)
