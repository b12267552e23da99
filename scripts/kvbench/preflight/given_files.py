"""The configuration files and settings of a call of Snakemake, read before Snakemake reads them.

Snakemake names neither file nor line of a mistake in a file of `--configfile`, ends with a traceback where one is not
UTF-8 or contains itself, and runs the code in one with the key `__use_yte__`. It does so before the Snakefile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kvbench.errors import UserError
from kvbench.yaml_files import parse_value, read_yaml

SETTINGS = ("--config", "-C")
CONFIG_FILES = ("--configfile", "--configfiles")
PROFILES = ("--profile", "--workflow-profile")
TEMPLATES = "__use_yte__"


def check_given_files(arguments: Sequence[str]) -> None:
    """Read each file that the arguments of Snakemake name; UserError names the file, line and correction.

    So are the values of `--config`, which Snakemake reads first too.
    """
    for path in given_files(arguments):
        found = read_yaml(path)
        if not isinstance(found, Mapping):
            raise UserError(f"{path}: the file is not a mapping; write lines of key: value")
        if TEMPLATES in found:
            raise UserError(f"{path}: {TEMPLATES}: Snakemake would run the code in this file; remove the key")
    for setting in _values(arguments, SETTINGS):
        parse_value(setting.partition("=")[2], SETTINGS[0])


def given_files(arguments: Sequence[str]) -> list[str]:
    """The files of `--configfile` and of the profiles that the arguments name, in their order."""
    named = list(_values(arguments, CONFIG_FILES))
    for profile in _values(arguments, PROFILES):
        file = Path(profile, "config.yaml")
        settings = read_yaml(file) if file.is_file() else {}
        for option in CONFIG_FILES if isinstance(settings, Mapping) else ():
            own = settings.get(option.removeprefix("--")) or []
            named += [own] if isinstance(own, str) else own
    return named


def _values(arguments: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """The values of options: up to the next option, or after an equals sign."""
    taking = False
    for argument in arguments:
        option, sign, value = argument.partition("=")
        if argument.startswith("-"):
            taking = option in options and not sign
            if option in options and sign:
                yield value
        elif taking:
            yield argument
