"""pandas: ``alluxiofs://`` URLs with ``storage_options``, and open files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.conftest import Gateway
from tests.integrations.needed import needed

pd = needed("pandas")
needed("pyarrow")


@pytest.fixture(scope="module")
def frame() -> Any:
    return pd.DataFrame(
        {
            "when": pd.date_range("2013-01-01", periods=5000, freq="h"),
            "delay": [row % 97 - 13 for row in range(5000)],
            "carrier": [("UA", "AA", "grüße", "B6")[row % 4] for row in range(5000)],
        }
    )


def test_parquet(gateway: Gateway, frame: Any) -> None:
    url = f"alluxiofs://{gateway.folder}/frame.parquet"
    frame.to_parquet(url, storage_options=gateway.arguments)
    pd.testing.assert_frame_equal(pd.read_parquet(url, storage_options=gateway.arguments), frame)
    columns = pd.read_parquet(url, columns=["delay"], storage_options=gateway.arguments)
    assert columns["delay"].sum() == frame["delay"].sum()


@pytest.mark.parametrize("name", ["frame.csv", "frame.csv.gz"])
def test_csv(gateway: Gateway, frame: Any, name: str) -> None:
    url = f"alluxio://{gateway.folder}/{name}"
    frame.to_csv(url, index=False, storage_options=gateway.arguments)
    found = pd.read_csv(url, parse_dates=["when"], storage_options=gateway.arguments)
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)


def test_csv_in_pieces(gateway: Gateway, frame: Any) -> None:
    with gateway.fs.open(f"{gateway.folder}/frame.csv", "w", encoding="utf-8", newline="") as file:
        frame.to_csv(file, index=False)
    with gateway.fs.open(f"{gateway.folder}/frame.csv", "rb") as file:
        pieces = list(pd.read_csv(file, chunksize=700))
    assert [len(piece) for piece in pieces] == [700] * 7 + [100]
    assert sum(piece["delay"].sum() for piece in pieces) == frame["delay"].sum()


def test_a_missing_file(gateway: Gateway) -> None:
    with pytest.raises(FileNotFoundError):
        pd.read_csv(f"alluxiofs://{gateway.folder}/missing.csv", storage_options=gateway.arguments)
