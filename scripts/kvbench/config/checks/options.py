"""Options of engines: none sets what all engines share, and none makes a library load code or pickles.

The options themselves are those of a list. Inside a mapping such as `compilation_config` names are not listed, so that
rules decide there: a name that speaks of code or of files is refused, and so is a value that could be a dotted path, a
file, a repository or a web address; numbers, truth values and plain words are left.
"""

from __future__ import annotations

import re
from typing import Any

from kvbench.config.wording import Invalid, nearest, quote
from kvbench.engines.names import shared_setting
from kvbench.engines.passed_on import passed_on

PLAIN = re.compile(r"[A-Za-z0-9_+|-]{1,100}")
# Parts of names, between underscores, of options that load code, choose classes or trust what a model brings along.
CODE = frozenset(
    [
        *("trust", "remote", "code", "insecure", "unsafe", "pickle", "script", "callable", "hub", "cls", "class"),
        *("module", "plugin", "plugins", "connector", "overrides", "kernels", "loader"),
    ]
)
# Whole names of such options whose parts do not show it.
LOADING = frozenset(
    [
        *("auto_map", "custom_generate", "use_safetensors", "weights_only", "gguf_file", "from_tf", "from_flax"),
        *("state_dict", "config", "adapter_kwargs", "model_weights", "hf_config_path", "tokenizer"),
        *("logits_processors", "logits_processor"),
    ]
)
# Parts of names of options that read or write files or open connections.
ELSEWHERE = frozenset(["dir", "path", "file", "folder", "url", "endpoint", "address", "addr", "host", "port"])
LOAD_FORMATS = ("auto", "safetensors", "dummy")
# Why an option is refused that a user may well look for.
REASONS = {
    "speculative_config": "the tokens of a draft take slots that kvbench does not account for",
    "hf_token": "it would stand in results/config.yaml; set the environment variable HF_TOKEN",
}


def check_options(engines: dict) -> None:
    """Raise Invalid for the first option that kvbench sets itself, that can load code or that is not in the list."""
    for engine, options in engines.items():
        for option, value in (options or {}).items():
            at = f"engines.{engine}.{option}"
            if (key := shared_setting(engine, option)) is not None:
                raise Invalid(at, f"kvbench sets this option for all engines; remove it{key and f' ({key})'}")
            _refuse_code(at, option)
            if option not in passed_on(engine):
                raise Invalid(at, _not_passed_on(engine, option))
            _check_value(at, option, value)


def _not_passed_on(engine: str, option: str) -> str:
    reason = REASONS.get(option, "only options that cannot load code, read files or open connections are passed on")
    return f"kvbench does not pass this option on: {reason}; {nearest(option, passed_on(engine))}remove it"


def _refuse_code(at: str, name: str) -> None:
    if CODE & _parts(name) or name.lower() in LOADING:
        raise Invalid(at, "this option can make the library load code or pickles, which kvbench never does; remove it")


def _parts(name: str) -> set[str]:
    return set(re.split(r"[_.-]", name.lower()))


def _check_value(at: str, name: str, value: Any) -> None:
    """Refuse a value that can load code, and in a mapping a name that can."""
    if name == "load_format" and value not in LOAD_FORMATS:
        formats = ", ".join(LOAD_FORMATS)
        raise Invalid(at, f"{quote(value)} can load pickles, which kvbench never does; write one of {formats}")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_code(f"{at}.{key}", str(key))
            if ELSEWHERE & _parts(str(key)):
                raise Invalid(f"{at}.{key}", "options that name files or addresses are not passed on; remove it")
            _check_value(f"{at}.{key}", str(key), item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_value(f"{at}[{number}]", "", item)
    elif isinstance(value, str) and not PLAIN.fullmatch(value):
        problem = f"{quote(value)} could name code, a file or a repository, which no option may"
        raise Invalid(at, f"{problem}; write a number, true, false or a word of letters, digits and _ + - |")
