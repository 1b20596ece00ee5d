"""Where commands write: a file is there only when all of it is written."""

from pathlib import Path

import pytest

from neoxjp.errors import ParameterError
from neoxjp.labs.common.output import check_output, output, write_file


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.csv"
    write_file(file, "猫")

    def stopped() -> None:
        with output(file) as write:
            write("犬")
            raise KeyboardInterrupt

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(KeyboardInterrupt):
        stopped()
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(ParameterError, match=r"cannot write .*a\.csv: No space left"):
        write_file(file, b"dog")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert file.read_text(encoding="utf-8") == "猫"


def test_what_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("猫", encoding="utf-8")
    faults = {tmp_path: "is a folder", tmp_path / "no" / "a.txt": "there is no folder", tmp_path / "a.txt": "files to read"}
    for path, fault in faults.items():
        with pytest.raises(ParameterError, match=fault):
            check_output(path, [tmp_path / "b.txt", tmp_path / "a.txt"])
    check_output(tmp_path / "b.txt", [tmp_path / "a.txt"])
