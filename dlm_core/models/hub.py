"""From a name to a folder, and from what can go wrong on the way to a sentence that says what to do.

Only weights in safetensors and text files are fetched; nothing that can run code is, unless it was allowed.
"""

import errno
import os
import re
from pathlib import Path

import huggingface_hub
import torch
from huggingface_hub import errors

from dlm_core.models.files import TEXTS, WEIGHTS, ModelError, read_config
from dlm_core.models.progress import ProgressCallback, download_bar
from dlm_core.models.registry import PINS, Pin, recognise
from dlm_core.proxies import LOOPBACK, without_proxy

CODE = "*.py"


def locate(
    name: str,
    revision: str | None = None,
    *,
    code: bool = False,
    weights: bool = True,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """A folder, or a repository of the hub brought here; raises `ModelError`."""
    if is_folder(name, revision):
        return Path(name)
    patterns = TEXTS + [WEIGHTS] * weights + [CODE] * code
    try:
        with without_proxy(LOOPBACK):  # HF_ENDPOINT may be a mirror here
            return Path(
                huggingface_hub.snapshot_download(
                    name,
                    revision=revision,
                    allow_patterns=patterns,
                    ignore_patterns=["*/*"],  # no other formats' folders
                    tqdm_class=None if on_progress is None else download_bar(on_progress),
                )
            )
    except Exception as error:  # the hub's client raises some of its own, those of its network library, and OSError
        raise ModelError(sentence(f"the model {name!r}", error, revision)) from error


def fetched(name: str, revision: str | None = None) -> Path | None:
    """The folder of a repository that is here already; nothing is asked of the hub."""
    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, local_files_only=True))
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.HFValidationError, OSError, ValueError):
        return None


def cached() -> list[str]:
    """The repositories that are here, and that the registry knows."""
    try:
        repositories = huggingface_hub.scan_cache_dir().repos
    except errors.CacheNotFound:
        return []
    names = []
    for repository in repositories:
        folder = fetched(repository.repo_id) if repository.repo_type == "model" else None
        try:
            if folder and repository.repo_id not in PINS:
                config = read_config(folder, repository.repo_id)
                names += [] if isinstance(recognise(config, repository.repo_id), str) else [repository.repo_id]
        except ModelError:
            pass  # not one that can be loaded
    return sorted(names)


def is_folder(name: str, revision: str | None = None) -> bool:
    """Whether a model is a folder here, else it can be the name of a repository; raises `ModelError` if neither."""
    if name and Path(name).is_dir():
        if revision is not None:
            raise ModelError(f"the model {name!r} is a folder and has no revisions, got {revision!r}: leave it out")
        return True
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."):
        raise ModelError(
            f'the model {name!r} was not found: give "bundled" or a folder with config.json and safetensors weights, '
            "or the name of a repository on the hub, owner/name"
        )
    return False


def identity(folder: Path) -> tuple[str, str | None]:
    """Name the model in a folder, and its commit where that is known.

    A snapshot in the cache of the hub's client, `.../models--OWNER--NAME/snapshots/COMMIT`, is OWNER/NAME, also through
    a link; any other folder has its own name, and the folders above it say nothing.
    """
    repository, kind, commit = ("", "", "", *folder.resolve().parts)[-3:]
    if kind == "snapshots" and repository.startswith("models--") and re.fullmatch(r"[0-9a-f]{40}", commit):
        return repository.removeprefix("models--").replace("--", "/"), commit
    return Path(os.path.abspath(folder)).name, None


def permit(name: str, pin: Pin, revision: str | None) -> str:
    """The one commit at which a repository's code may run; raises `ModelError` unless the operator said so.

    UNMASK_REMOTE_CODE says so: "1" for the commits that stand in the registry, or owner/name@ and all 40 digits of a
    commit that the operator has read, several with spaces or commas between them.  Only what the registry lists can be
    allowed, and a name never gets here from a visitor.
    """
    where, entries = f"the model {name!r}", os.environ.get("UNMASK_REMOTE_CODE", "").replace(",", " ").split()
    for word in entries:
        if word not in ("0", "1") and not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", word):
            raise ModelError(
                "UNMASK_REMOTE_CODE must be 1, or owner/name@ and the 40 digits of a commit, in small letters, "
                f"got {word[:80]!r}"
            )
    named = dict(word.split("@") for word in entries if "@" in word)
    commit = named.get(name) or (pin.commit if "1" in entries else None)
    if commit is None and pin.commit is None:
        raise ModelError(
            f"{where} runs code of its own, and no commit of it has been read and pinned: to allow one that you have "
            f"read, start with UNMASK_REMOTE_CODE={name}@ and its 40 digits"
        )
    if commit is None:
        raise ModelError(f"{where} runs code of its own: to allow commit {pin.commit}, start with UNMASK_REMOTE_CODE=1")
    if revision is not None and not revision.startswith(commit):
        raise ModelError(f"{where} may run only at commit {commit}, got revision {revision!r}: leave revision out")
    return commit


def allowed(name: str, pin: Pin, revision: str | None, on_progress: ProgressCallback | None = None) -> Path:
    """The folder of a repository whose code may run; raises `ModelError`."""
    commit = permit(name, pin, revision)
    # never a folder that happens to have this name: it has no commits
    folder = locate(name, commit, code=True, on_progress=on_progress)
    if not folder.name.startswith(commit):
        raise ModelError(
            f"the model {name!r} was brought at {folder.name!r} instead of the pinned {commit}: it is refused"
        )
    for file in filter(Path.exists, (folder / "config.json", folder / "tokenizer_config.json")):
        if other := re.search(r'"([\w.-]+/[\w.-]+--\w+\.\w+)"', file.read_text(encoding="utf-8")):
            raise ModelError(
                f"the model {name!r} takes code from another repository ({other[1]!r} in {file.name}), which no commit "
                "pins: it is refused"
            )
    return folder


def sentence(where: str, error: BaseException, revision: str | None = None) -> str:
    """What happened to `where`, and what to do about it."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in chain)

    if among(errors.GatedRepoError):
        return f"{where} is gated: accept its terms on its page of the hub, then log in with `hf auth login`"
    if among(errors.RevisionNotFoundError):
        return f"{where} has no revision {revision!r}: give a branch, tag or commit of its repository"
    if among(errors.RepositoryNotFoundError, errors.HFValidationError):
        return f"{where} is neither a folder nor on the hub, or is private: check its name, or `hf auth login`"
    if any(isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT) for each in chain):
        return f"{where} does not fit on the disk: free some space, or set HF_HOME to a folder on a larger disk"
    if proxy := next((str(each) for each in chain if re.search(r"SOCKS proxy|for proxy URL", str(each))), None):
        return (
            f"{where} is not on this machine and the proxy in the environment cannot be used ({proxy[:120]}): "
            "`pip install 'httpx[socks]'` for one of SOCKS, or set all_proxy to an http:// address"
        )
    if among(errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError, TimeoutError) or any(
        type(each).__module__.partition(".")[0] in ("httpx", "httpcore", "requests", "urllib3") for each in chain
    ):
        return f"{where} is not on this machine and the hub cannot be reached: connect to the network, or give a folder"
    if among(MemoryError, torch.OutOfMemoryError) or any("can't allocate memory" in str(each) for each in chain):
        return f'{where} needs more memory than there is: choose a smaller model, or load it with dtype="bfloat16"'
    if among(errors.StrictDataclassError):  # the last line names the field, what it must be and the value
        reason = str(error).strip().splitlines()[-1].strip().removeprefix("TypeError: ")[:200]
        return f"{where} has a config.json that cannot be ({reason}): restore the file"
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return f"{where} could not be loaded ({reason}); restore its files or choose another model"
