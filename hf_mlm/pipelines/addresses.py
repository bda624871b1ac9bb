"""Images of pipelines, which may lie at an address."""

from __future__ import annotations

from typing import Any

from PIL import Image
from transformers import image_utils

from hf_mlm.models.images import to_rgb


def open_image(image: Any, timeout: float | None = None) -> Image.Image:
    """Open an image as `to_rgb` does, or fetch it as transformers does where it is an address.

    Args:
        image: in any form that `to_rgb` takes, or a string that begins with http:// or https://.
        timeout: seconds to wait for an address; no end when None.

    Raises:
        ValueError: if it is no image.
        OSError: if it is not there, or what the address gives is no image.
    """
    if not (isinstance(image, str) and image.startswith(("http://", "https://"))):
        return to_rgb(image)
    try:
        return to_rgb(image_utils.load_image(image, timeout))
    except (image_utils.httpx.HTTPError, OSError) as error:  # of the client that transformers fetches with
        raise OSError(f"{image} gives no image ({error}): check the address, or pass a file.") from error
