import errno
from pathlib import Path

import pytest

from hf_mlm.data.disk import check_room, full_disk_in_words


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_becomes_a_sentence(code: int, tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=rf"no room is left to write in {tmp_path} \(.+\); free some, and start again\."),
        full_disk_in_words(tmp_path, "and start again"),
    ):
        raise OSError(code, "Detail: [errno]")


def test_other_errors_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), full_disk_in_words(tmp_path, ""):
        raise PermissionError(errno.EACCES, "no")


def test_room_is_looked_for_first(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(OSError, match="GB free and 1000000000.0 GB are needed"):
        check_room(tmp_path, 10**18)
