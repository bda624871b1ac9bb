"""How the lines of a CoNLL file are divided into columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hf_mlm.data.formats.iob2 import is_label


IMAGE_PREFIX = "IMGID:"
_SAMPLE = 200  # lines that tell whether the first column numbers the words


@dataclass(frozen=True)
class Columns:
    """How the lines of words are divided, as the first of them shows.

    Attributes:
        separator: tab or space; runs of spaces count as one.
        count: of columns.
        token: 0, or 1 where the first column numbers the words, as in CoNLL-U; the label is in the last.
        line: number of the line that shows it.
    """

    separator: str
    count: int = 2
    token: int = 0
    line: int = 0

    def split(self, line: str) -> list[str]:
        """Divide a line."""
        if self.separator == "\t":
            return line.split("\t")
        return [column for column in line.split(" ") if column]

    def is_image(self, line: str) -> bool:
        """Whether a line tells an image id, and is not a word that begins like one."""
        return line.startswith(IMAGE_PREFIX) and self.separator not in line

    def is_comment(self, line: str) -> bool:
        """Whether a line before the first word is a comment, and not a word such as "#" with its label."""
        if not line.startswith("# "):
            return False
        columns = self.split(line)
        return len(columns) != self.count or (self.separator == "\t" and not is_label(columns[-1]))

    def complaint(self, line: str, where: str) -> str | None:
        """What is wrong with the line of a word, as a sentence; None of a good one.

        Args:
            line: the line.
            where: its file and number.
        """
        columns = self.split(line)
        if len(columns) == self.count:
            return None
        other = {"\t": " ", " ": "\t"}[self.separator]
        names = {"\t": "tabs", " ": "spaces"}
        if self.separator not in line and other in line:
            return (
                f"{where}: {line!r} is divided by {names[other]}, where line {self.line} is divided by "
                f"{names[self.separator]}; use one separator in the whole file."
            )
        if len(columns) == 1:
            return f"{where}: {line!r} has no label; write token and label, or a blank line between sentences."
        return (
            f"{where}: {line!r} has {len(columns)} columns, where line {self.line} has {self.count}; every word needs "
            "one token and one label."
        )


def find_columns(lines: list[str], name: str) -> Columns:
    """Look how a file is divided: by tabs if words have any, else by spaces.

    Args:
        lines: all lines of the file.
        name: of the file, for error messages.

    Raises:
        ValueError: naming file and line, if the first word has no label.
    """
    has_tabs = any("\t" in line and (line[:2] != "# " or is_label(line.rsplit("\t", 1)[-1])) for line in lines)
    separator = "\t" if has_tabs else " "
    for number, line in enumerate(lines, 1):
        draft = Columns(separator, len(Columns(separator).split(line)), line=number)
        is_comment = line.startswith("# ") and not is_label(draft.split(line)[-1])
        if is_comment or not line.strip(" ") or draft.is_image(line):
            continue
        if draft.count > 1:
            numbered = draft.count > 2 and _numbers_words(lines[number - 1 : number - 1 + _SAMPLE], draft)
            return replace(draft, token=int(numbered))
        if separator == " ":
            raise ValueError(f"{name}:{number}: {line!r} has no label; write token, tab and label on every line.")
    return Columns(separator)


def _numbers_words(lines: list[str], columns: Columns) -> bool:
    """Whether the first column counts 0, 1, 2, … or 1, 2, 3, … in every sentence."""
    expected: set[int] = {0, 1}
    for line in lines:
        if not line.strip(" ") or columns.is_image(line) or columns.is_comment(line):
            expected = {0, 1}
            continue
        first = columns.split(line)[0]
        if not first.isdecimal() or int(first) not in expected:
            return False
        expected = {int(first) + 1}
    return True
