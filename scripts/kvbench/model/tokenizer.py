"""A copy of the tokenizer that Transformers loads for the model, in a form that loads in a tenth of a second."""

from __future__ import annotations

from pathlib import Path

from kvbench.files import reading, replacing

PROBE = "Hello, wörld! 1234\n  A  cache, 世界 🙂."


def save_fast_tokenizer(model_folder: Path, file: Path) -> bool:
    """Write the tokenizer of `model_folder` to `file` if it is a fast one and the copy gives the same ids.

    Otherwise no file is written, and readers load the tokenizer through Transformers. UserError if that cannot.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    with reading(model_folder, "a model with a tokenizer that Transformers can load", "use another model"):
        tokenizer = AutoTokenizer.from_pretrained(model_folder, trust_remote_code=False)
    file.unlink(missing_ok=True)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return False
    with replacing(file) as temporary:
        backend.save(str(temporary), pretty=False)
        same = Tokenizer.from_file(str(temporary)).encode(PROBE).ids == tokenizer(PROBE)["input_ids"]
        if not same:
            temporary.write_text("")
    if not same:
        file.unlink()
    return same
