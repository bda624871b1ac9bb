"""A folder of images named after their ids."""

from __future__ import annotations

import os
from pathlib import Path


class ImageFolder:
    """The images of a folder by id; the folder is listed once, and never walked.

    Args:
        path: the folder.

    Raises:
        NotADirectoryError: if it is not a folder.

    Example:
        >>> ImageFolder("images").find("17_06_4705")  # doctest: +SKIP
        PosixPath('images/17_06_4705.jpg')
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise NotADirectoryError(f"the folder of images {str(path)!r} is not there; check image_dir.")
        with os.scandir(self.path) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
        self._names = {os.path.splitext(name)[0]: name for name in names} | {name: name for name in names}

    def find(self, image_id: str | None) -> Path | None:
        """Path of the image with an id, which is its file's name with or without the ending; None if there is none."""
        name = None if image_id is None else self._names.get(image_id)
        return None if name is None else self.path / name
