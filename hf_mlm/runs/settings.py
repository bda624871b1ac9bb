"""Settings of a run: a YAML recipe, flags that override it, and their record in the output folder."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from transformers import HfArgumentParser

from hf_mlm.files import write_text


RECIPES = Path(__file__).parents[1] / "training" / "recipes"
SETTINGS_NAME = "settings.yaml"
# Settings that may differ between a run and its continuation without changing its result.
FREE_SETTINGS = ("output_dir", "disable_tqdm", "report_to", "run_name")
UNSAVED_SETTINGS = ("resume_from_checkpoint", "hub_token")
OFF = (None, False, "", "no")  # argparse turns one into the other


class SettingsParser(HfArgumentParser):
    """`HfArgumentParser` whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print below a page of usage."""
        raise ValueError(f"{message}.")


def setting(default: Any, text: str) -> Any:
    """Declare a field of a settings dataclass; a callable default is called anew for each object.

    Args:
        default: value, or a callable that makes it.
        text: for ``--help``.
    """
    metadata = {"help": text}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def changed_fields(settings: Any) -> dict[str, Any]:
    """Collect the fields of a dataclass object that differ from their defaults; all ways to say "off" are one."""
    changed = {}
    for each in dataclasses.fields(settings):
        default = each.default if each.default_factory is dataclasses.MISSING else each.default_factory()
        value = getattr(settings, each.name)
        if each.init and value != default and not (value in OFF and default in OFF):
            changed[each.name] = value
    return changed


def mapping(name: str, value: dict | str | None) -> dict[str, Any]:
    """Read a mapping that is given as one, or in YAML, of which JSON is a part.

    Raises:
        ValueError: if it is none.

    Example:
        >>> mapping("dataset_options", "{size: 2000, hints: false}")
        {'size': 2000, 'hints': False}
    """
    found = _from_yaml(value, name) if isinstance(value, str) else value or {}
    if not isinstance(found, dict):
        raise ValueError(f"{name}={value!r} must be a mapping from names to values, such as {{size: 2000}}.")
    return found


def parse_settings(types: Sequence[type], words: Sequence[str], prog: str) -> tuple[Any, ...]:
    """Read ``--config RECIPE`` and flags into dataclasses; flags win.

    A recipe is a YAML mapping from field names to values, in a file or shipped with the package under a bare name. The
    entry of a field that is itself a mapping can be overridden alone: ``--model.margin 0.2``.

    Args:
        types: dataclasses whose fields are the settings.
        words: the command line.
        prog: name of the command, for ``--help``.

    Returns:
        One object for each of ``types``.

    Raises:
        FileNotFoundError: if there is no such recipe.
        ValueError: if a setting is unknown, or its value is not of the field's type.

    Example:
        >>> @dataclasses.dataclass
        ... class Optimisation:
        ...     learning_rate: float = 0.1
        >>> parse_settings([Optimisation], ["--learning_rate", "1e-4"], "train")[0].learning_rate
        0.0001
    """
    parser = SettingsParser(
        types, prog=prog, allow_abbrev=False, description="Every option is also a key of a recipe."
    )
    parser.add_argument("--config", help=f"recipe: a YAML file, or one of {', '.join(shipped_recipes())}")
    if {"-h", "--help"} & set(words):
        parser.parse_args(["--help"])
    flags = _flags(words)
    recipe = flags.pop("config", None)
    settings = _merge(read_recipe(recipe) if recipe else {}, flags)
    names = {field.name for dataclass in types for field in dataclasses.fields(dataclass) if field.init}
    refuse_unknown(settings, names, f"{recipe or 'the command line'}")
    return parser.parse_args_into_dataclasses(_words(settings), look_for_args_file=False)[: len(types)]


def shipped_recipes() -> list[str]:
    """List the names of the recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def read_recipe(recipe: str) -> dict[str, Any]:
    """Read a recipe by its path or its bare name.

    Raises:
        FileNotFoundError: if there is none; the message lists those that the package brings.
        ValueError: if the file is no YAML mapping.
    """
    path = Path(recipe) if Path(recipe).is_file() else RECIPES / f"{recipe}.yaml"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a recipe (a YAML file, or one of {', '.join(shipped_recipes())}), found no {recipe!r}."
        )
    settings = _from_yaml(path.read_bytes(), str(path))
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must hold a mapping from settings to values, such as 'learning_rate: 1e-4'.")
    return settings


def refuse_unknown(settings: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse names that are no setting, and suggest one that is nearly the same.

    Raises:
        ValueError: if a name of ``settings`` is not in ``known``.

    Example:
        >>> refuse_unknown(["learning_rat"], ["learning_rate", "seed"], "my.yaml")
        Traceback (most recent call last):
        ValueError: my.yaml has no setting 'learning_rat'; did you mean 'learning_rate'?
    """
    known = sorted(known)
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "take it out."
            raise ValueError(f"{where} has no setting {name!r}; {remedy}")


def save_settings(objects: Sequence[Any], output_dir: str | Path) -> None:
    """Write a run's settings to its output folder, as a recipe that repeats it.

    Args:
        objects: `IRLEArguments` and `IRLETrainingArguments`, or others with ``given``.
        output_dir: made if need be.
    """
    target = Path(output_dir) / SETTINGS_NAME
    write_text(target, yaml.safe_dump(_given(objects), sort_keys=False))


def refuse_other_settings(objects: Sequence[Any], output_dir: str | Path) -> None:
    """Refuse to go on with a run that was started with other settings.

    Args:
        objects: as for `save_settings`.
        output_dir: of the run; one without saved settings is taken as it is.

    Raises:
        ValueError: naming the first setting that differs, and the way out.
    """
    target = Path(output_dir) / SETTINGS_NAME
    if not target.is_file():
        return
    then, now = read_recipe(str(target)), _given(objects)
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name) and name not in FREE_SETTINGS:
            before, after = (repr(side[name]) if name in side else "its default" for side in (then, now))
            raise ValueError(
                f"{output_dir} holds a run with other settings ({name} was {before}, now {after}): choose another "
                "output_dir, or continue it all the same with --resume_from_checkpoint CHECKPOINT."
            )


def _flags(words: Sequence[str]) -> dict[str, Any]:
    """Read ``--name value``, ``--name=value``, ``--name`` and ``--outer.inner value`` into a mapping."""
    flags: dict[str, Any] = {}
    index = 0
    while index < len(words):
        if not words[index].startswith("--"):
            raise ValueError(f"Expected an option, such as --learning_rate 1e-4, found {words[index]!r}.")
        name, separator, value = words[index][2:].partition("=")
        stop = next((after for after in range(index + 1, len(words)) if words[after].startswith("--")), len(words))
        values = [value] if separator else list(words[index + 1 : stop])
        index = index + 1 if separator else stop
        outer, _, inner = name.replace("-", "_").partition(".")
        if inner:
            flags.setdefault(outer, {})[inner] = _from_yaml(" ".join(values), f"--{name}")
        elif outer.startswith("no_") and not values:
            flags[outer[3:]] = "false"
        else:
            flags[outer] = values[0] if len(values) == 1 else values or "true"
    return flags


def _merge(recipe: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    merged = dict(recipe)
    for name, value in flags.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **value} if both else value
    return merged


def _words(settings: dict[str, Any]) -> list[str]:
    """Write settings as a command line, so that argparse converts and checks them wherever they come from."""
    words = []
    for name, value in settings.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        words += [
            f"--{name}",
            *(json.dumps(item, default=str) if isinstance(item, dict) else _word(item) for item in values),
        ]
    return words


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _given(objects: Sequence[Any]) -> dict[str, Any]:
    """Collect the settings that differ from their defaults, as YAML knows them."""
    given = {name: value for settings in objects for name, value in settings.given.items()}
    return json.loads(json.dumps({name: given[name] for name in given if name not in UNSAVED_SETTINGS}, default=str))


def _from_yaml(text: str | bytes, name: str) -> Any:
    """Read YAML, naming what it is of where it is damaged.

    Raises:
        ValueError: if it is not YAML, not UTF-8, or nested too deeply.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506, the loader is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not YAML: {' '.join(str(error).split())}.") from error


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers: ``1e-4`` is a float, which PyYAML would take for a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
