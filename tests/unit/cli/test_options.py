"""The options of a verb that are the fields of a record, and the words of a command line that give a record."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from ganlib.cli.flows import RunOptions
from ganlib.cli.options import command, words
from ganlib.core.errors import BadInput
from ganlib.jobs.images.request import GenerateRequest

read: list[object] = []


def verb(*, request: GenerateRequest, run: RunOptions) -> None:
    """Keep what typer makes of the words."""
    read[:] = [request, run]


app = typer.Typer()
app.command()(command(verb))


@pytest.mark.parametrize(
    "request_",
    [
        GenerateRequest(out="out/plain"),
        GenerateRequest(
            out="s3://bucket/all of it", count=10**6, start=64, file_format="npy", grid=True, seed=2**64 - 1,
            shard_size=10, batch_size=3, labels="balanced", caption="a thin seven", truncation=0.25, provider="cuda",
            allow_cpu=True, check=False,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("run", [RunOptions(), RunOptions(True, "dask", "tcp://host:8786")])
def test_the_words_of_a_record_are_read_back_as_that_record(request_: GenerateRequest, run: RunOptions) -> None:
    done = CliRunner().invoke(app, [*words(request_), *words(run)])
    assert done.exit_code == 0, done.output
    assert read == [request_, run]


def test_large_numbers_may_be_written_with_a_power_of_ten() -> None:
    CliRunner().invoke(app, ["--out", "o", "--count", "2.5e3", "--start", "1e6"], catch_exceptions=False)
    assert read[0] == GenerateRequest(out="o", count=2500, start=10**6)


@pytest.mark.parametrize("text", ["many", "1.5", "nan", "1e99999999"])
def test_what_is_no_whole_number_is_told_by_the_option(text: str) -> None:
    with pytest.raises(BadInput, match=rf"--count {text}: not a whole number"):
        CliRunner().invoke(app, ["--out", "o", "--count", text], catch_exceptions=False)
