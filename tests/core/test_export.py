"""Writing results: the new file whole, or the old one as it was."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import UserError
from core.export import save_npy
from tests.core.conftest import needs_permissions

OLD, NEW = np.arange(3), np.arange(12.0, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "out.npy"
    np.save(path, OLD)
    return path


def assert_old_file_alone(path: Path) -> None:
    np.testing.assert_array_equal(np.load(path), OLD)
    assert os.listdir(path.parent) == [path.name]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    save_npy(path, NEW)
    got = np.load(path)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, NEW)
    assert os.listdir(tmp_path) == ["out.npy"]


def test_an_older_file_is_replaced(path: Path) -> None:
    save_npy(path, NEW)
    np.testing.assert_array_equal(np.load(path), NEW)
    assert os.listdir(path.parent) == [path.name]


def test_the_old_file_stands_until_the_new_one_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace
    seen = []

    def watched(source: str, target: Path) -> None:
        seen.append((np.load(target).tolist(), np.load(source).tolist()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watched)
    save_npy(path, NEW)
    assert seen == [(OLD.tolist(), NEW.tolist())]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Any, array: Any, **options: Any) -> None:
        file.write(b"some of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(UserError, match="No space left"):
        save_npy(path, NEW)
    monkeypatch.undo()
    assert_old_file_alone(path)


def test_a_fault_of_ours_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    with pytest.raises(ValueError, match="pickle"):
        save_npy(path, np.array([{}], object))
    assert_old_file_alone(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file") as raised:
        save_npy(tmp_path / "none" / "out.npy", NEW)
    assert "out.npy" in str(raised.value)


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "out.npy"
    path.mkdir()
    with pytest.raises(UserError):
        save_npy(path, NEW)
    assert os.listdir(tmp_path) == ["out.npy"]


@needs_permissions
def test_an_unwritable_folder_is_told_and_leaves_the_old_file(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(UserError, match="Permission denied"):
            save_npy(path, NEW)
    finally:
        path.parent.chmod(0o700)
    assert_old_file_alone(path)
