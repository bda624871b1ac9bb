"""``hf-mlm``: one module a command, each imported when it is called, so that ``--help`` stays quick."""

from __future__ import annotations

from hf_mlm.cli.main import main


__all__ = ["main"]
