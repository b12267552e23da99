"""Options of engines: none sets what all engines share, and none makes a library load code or pickles.

The names are those of the installed libraries. The rule on values is for versions to come: an option, whatever it is
called, can name code only by a dotted path, a file, a repository or a web address, and no plain word is one of these.
"""

from __future__ import annotations

import re
from typing import Any

from kvbench.config.wording import Invalid, quote
from kvbench.engines.names import shared_setting

PLAIN = re.compile(r"[A-Za-z0-9_+|-]{1,100}")
# Parts of names, between underscores, of options that load code, choose classes or trust what a model brings along.
SUSPECT = frozenset(
    [
        "trust",
        "remote",
        "code",
        "insecure",
        "unsafe",
        "pickle",
        "script",
        "callable",
        "hub",
        "cls",
        "class",
        "module",
        "plugin",
        "plugins",
        "connector",
        "overrides",
        "kernels",
    ]
)
# Whole names whose parts do not show it.
LOADING = frozenset(
    [
        "auto_map",
        "custom_generate",
        "logits_processors",
        "logits_processor",
        "use_safetensors",
        "weights_only",
        "gguf_file",
        "from_tf",
        "from_flax",
        "state_dict",
        "config",
        "adapter_kwargs",
        "model_weights",
        "hf_config_path",
        "tokenizer",
        "model_loader_extra_config",
        "quantization_param_path",
        "local_files_only",
    ]
)
LOAD_FORMATS = ("auto", "safetensors", "dummy")


def check_options(engines: dict) -> None:
    """Raise Invalid for the first option that kvbench sets itself or that can load code."""
    for engine, options in engines.items():
        for option, value in (options or {}).items():
            at = f"engines.{engine}.{option}"
            if (key := shared_setting(engine, option)) is not None:
                raise Invalid(at, f"kvbench sets this option for all engines; remove it{key and f' ({key})'}")
            _check(at, option, value)


def _check(at: str, name: str, value: Any) -> None:
    """Refuse an option that can load code, by its name, by its value or by those inside it."""
    if SUSPECT & set(re.split(r"[_.-]", name.lower())) or name.lower() in LOADING:
        raise Invalid(at, "this option can make the library load code or pickles, which kvbench never does; remove it")
    if name == "load_format" and value not in LOAD_FORMATS:
        formats = ", ".join(LOAD_FORMATS)
        raise Invalid(at, f"{quote(value)} can load pickles, which kvbench never does; write one of {formats}")
    if isinstance(value, dict):
        for key, item in value.items():
            _check(f"{at}.{key}", str(key), item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check(f"{at}[{number}]", "", item)
    elif isinstance(value, str) and not PLAIN.fullmatch(value):
        problem = f"{quote(value)} could name code, a file or a repository, which no option may"
        raise Invalid(at, f"{problem}; write a number, true, false or a word of letters, digits and _ + - |")
