"""What is refused before a model is prepared: bad settings and too little disk space."""

from collections import namedtuple
from pathlib import Path

import pytest
from builders.model_settings import PINNED, WHERE

from kvbench.errors import UserError
from kvbench.model import disk
from kvbench.model.prepare import check_settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "models.m.source: None is unknown"),
        ({"source": "ftp"}, "models.m.source: 'ftp' is unknown; use one of package, hub, path, shape"),
        ({"source": "path", "pth": "x"}, "models.m.pth: unknown key; did you mean path"),
        ({"source": "path"}, "models.m.path: missing"),
        ({"source": "hub", "id": "a/b", "revision": PINNED, "dtype": "fp16"}, "models.m.dtype: 'fp16'"),
        ({"source": "hub", "id": "a/b", "trust_remote_code": True}, "models.m.trust_remote_code: unknown key"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(UserError, match=message.replace(".", r"\.")):
        check_settings(settings, WHERE)


def test_too_little_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage(10**10, 9 * 10**9, 10**9))
    disk.require_free(tmp_path / "not" / "yet", 10**9, "m")
    with pytest.raises(UserError, match=r"not/yet: model m needs 1\.50 GB, but only 1\.00 GB are free"):
        disk.require_free(tmp_path / "not" / "yet", 15 * 10**8, "m")
