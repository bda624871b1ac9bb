"""Repositories on the Hub: their names, their visibility, and messages for what goes wrong on the way there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NoReturn

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled


RepoType = Literal["model", "dataset"]
TOKENS = "https://huggingface.co/settings/tokens"
_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[\w])?"  # of a name; the Hub allows 96 characters
_REPO_ID = re.compile(rf"{_PART}/{_PART}", re.ASCII)


def check_repo_id(repo_id: str) -> str:
    """Refuse what cannot be the name of a repository, before anything is computed or sent.

    Args:
        repo_id: ``"namespace/name"``.

    Returns:
        ``repo_id``.

    Raises:
        ValueError: if it has no namespace, more than one, or characters that the Hub does not take.

    Example:
        >>> check_repo_id("irle-gr")
        Traceback (most recent call last):
        ValueError: the repository 'irle-gr' has no namespace: write 'NAME/irle-gr', where NAME is your user name ...
    """
    if "/" not in repo_id:
        raise ValueError(
            f"the repository {repo_id!r} has no namespace: write 'NAME/{repo_id}', where NAME is your user name or "
            "your organisation's on the Hub."
        )
    if not _REPO_ID.fullmatch(repo_id) or "--" in repo_id or ".." in repo_id:
        raise ValueError(
            f"{repo_id!r} cannot be the name of a repository: write namespace/name, of letters, digits, '-', '_' "
            "and '.', without '--' and '..', and with none of these at an end."
        )
    return repo_id


def repository_name(repo_id: str | None, name: str, required: bool = False) -> str:
    """Check the name of a repository, or make one up where none is needed yet.

    Args:
        repo_id: ``"namespace/name"``, or None.
        name: what the one that is made up is called, in the namespace ``NAMESPACE``.
        required: whether to refuse to make one up.

    Raises:
        ValueError: if it is required and missing, or none that the Hub takes.

    Example:
        >>> repository_name(None, "my run")
        'NAMESPACE/my-run'
    """
    if repo_id is None and required:
        raise ValueError("Expected the name of a repository, found none: say --repo namespace/name, or --dry_run DIR.")
    return check_repo_id(repo_id or f"NAMESPACE/{re.sub('[^A-Za-z0-9]+', '-', name).strip('-') or 'name'}")


def open_repository(api: HfApi, repo_id: str, repo_type: RepoType, private: bool) -> None:
    """Make a repository unless it is there, and refuse a public one where a private one is asked for.

    Args:
        api: of a user with the right to write.
        repo_id: ``"namespace/name"``.
        repo_type: what it holds.
        private: whether only its namespace may read it.

    Raises:
        ValueError: if ``private`` and the repository is there already and public.
    """
    api.create_repo(repo_id, repo_type=repo_type, private=private or None, exist_ok=True)
    if private and not api.repo_info(repo_id, repo_type=repo_type).private:
        raise ValueError(
            f"the {repo_type} {repo_id} is there already and public, and --private asks for a private one: make it "
            "private in its settings on the Hub, or choose another name. Nothing was uploaded."
        )


@contextmanager
def hub_error_messages(repo_id: str) -> Iterator[None]:
    """Turn errors of the Hub and of the way to it into messages with a way out.

    Args:
        repo_id: that the block works on.

    Raises:
        PermissionError: if there is no token, the Hub refuses it, or its user may not write there.
        ConnectionError: if the connection breaks, the Hub is out of order, or HF_HUB_OFFLINE is set.
        ValueError: if the Hub refuses what it was sent, a card for instance.
    """
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise ConnectionError(
            f"nothing can be pushed to {repo_id} while HF_HUB_OFFLINE is set: unset it and run the same command again."
        ) from error
    except LocalTokenNotFoundError as error:
        raise PermissionError(_NO_TOKEN.format(repo_id=repo_id)) from error
    except HfHubHTTPError as error:
        _raise_answer(error, repo_id)
    except Exception as error:
        if not _is_of_the_network(error):
            raise
        raise ConnectionError(
            f"the connection broke while pushing to {repo_id} ({_root(error)}): run the same command again; files "
            "that have arrived are not sent again, and readers see nothing of it before all have."
        ) from error


_NO_TOKEN = (
    "the Hub does not know who is pushing to {repo_id}: log in with `hf auth login`, or set HF_TOKEN to a token with "
    f"the right to write ({TOKENS})."
)


def _raise_answer(error: HfHubHTTPError, repo_id: str) -> NoReturn:
    """Raise what a status code means here."""
    status = error.response.status_code if error.response is not None else 0
    reason = " ".join(str(error.server_message or "").split()) or f"status {status}"
    if status == 401:
        raise PermissionError(_NO_TOKEN.format(repo_id=repo_id)) from error
    if status in (403, 404):
        raise PermissionError(
            f"your token has no right to write to {repo_id} ({reason}): check that {repo_id.split('/')[0]!r} is your "
            f"user name or an organisation that you may write to, and that the token may write ({TOKENS})."
        ) from error
    if status == 429 or status >= 500:
        raise ConnectionError(
            f"the Hub cannot take the push to {repo_id} now ({reason}): wait a little and run the same command again; "
            "files that have arrived are not sent again."
        ) from error
    raise ValueError(f"the Hub refuses what was sent to {repo_id} ({reason}).") from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _is_of_the_network(error: BaseException) -> bool:
    return any(
        isinstance(cause, (ConnectionError, TimeoutError)) or type(cause).__module__.startswith("http")
        for cause in _chain(error)
    )


def _root(error: BaseException) -> str:
    first = list(_chain(error))[-1]
    return " ".join(str(first).split()) or type(first).__name__
