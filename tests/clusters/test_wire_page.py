"""``python -m benchmarks.wire_page`` measures, and writes what came out where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from benchmarks import workers
from benchmarks.wire_page import BEGIN, END, PAGE, main, page_with


@pytest.fixture(autouse=True)
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other release is not fetched for a test; the page says that it was not there."""

    def refuse(*_: Any) -> NoReturn:
        raise RuntimeError("it is not installed")

    monkeypatch.setattr(workers, "release", refuse)


def test_it_measures_and_writes_the_page(tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(f"before\n{BEGIN}what was\n{END}after\n", "utf-8")
    words = ["--only", "wire-4k-1", "--turns", "1", "--json", str(results), "--page", str(page)]
    main(words)
    written = page.read_text("utf-8")
    assert written.startswith(f"before\n{BEGIN}")
    assert written.endswith(f"{END}after\n")
    assert "what was" not in written
    for dialect in ("pages", "rest"):
        for who in ("bare socket", "urllib3", "alluxiofs"):
            (row,) = [line for line in written.splitlines() if line.startswith(f"| {who} | `{dialect}` |")]
            assert "µs" in row or " ms" in row, "it was measured, and read the right bytes"
    assert "| wire-4k-1, pages | alluxiofs | ≤ 1.43 × bare socket |" in written

    page.write_text(f"{BEGIN}{END}", "utf-8")
    main(["--measured", *words])
    assert f"{BEGIN}\n" in page.read_text("utf-8")
    assert page.read_text("utf-8").partition(BEGIN)[2] == written.partition(BEGIN)[2].partition(END)[0] + END


def test_the_page_of_the_documentation_has_its_place() -> None:
    text = (Path(__file__).parents[2] / PAGE).read_text("utf-8")
    assert "new" in page_with(text, "new").partition(BEGIN)[2].partition(END)[0]
    with pytest.raises(ValueError, match="measured: begin"):
        page_with("nothing", "new")
