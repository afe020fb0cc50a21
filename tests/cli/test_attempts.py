"""Work that fails in a process that goes on."""

from pathlib import Path

import pytest

from smoecast import run_record
from smoecast.cli.attempts import MetricsOfAll, attempt
from smoecast.errors import InputError, Interrupted
from smoecast.tasks.watch.attempts import Failure


def test_what_fails_is_one_sentence_and_its_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: Exception) -> None:
        raise error

    assert attempt(lambda: 3) == 3
    known = attempt(lambda: fail(InputError("a.nc: is damaged: fetch it again")))
    assert isinstance(known, Failure)
    assert (known.sentence, known.exit_code) == ("a.nc: is damaged: fetch it again", 3)
    full = attempt(lambda: fail(OSError(28, "No space left on device", "a.nc")))
    assert isinstance(full, Failure)
    assert full.exit_code == 5
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: fail(ZeroDivisionError("by zero")))
    assert capsys.readouterr().err == ""
    attempt(lambda: fail(InputError("bad")), debug=True)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), SystemExit(), Interrupted(15, "all")])
def test_what_asks_for_an_end_is_no_failure(signal: BaseException) -> None:
    def stop() -> None:
        raise signal

    with pytest.raises(type(signal)):
        attempt(stop)


def test_one_file_of_metrics_holds_every_verb(tmp_path: Path) -> None:
    path = tmp_path / "watch.prom"
    metrics = MetricsOfAll(str(path))
    for verb, code in (("forecast", 0), ("postprocess", 0), ("forecast", 3)):
        run_record.begin(verb)
        run_record.note(run="small", newest_analysis="2001-01-01T06:00")
        metrics.publish(run_record.finish(code, "bad" if code else ""))
    lines = path.read_text().splitlines()
    codes = [line for line in lines if line.startswith("smoecast_last_exit_code{")]
    assert codes == [
        'smoecast_last_exit_code{run="small",verb="forecast"} 3',
        'smoecast_last_exit_code{run="small",verb="postprocess"} 0',
    ]
    kept = [line for line in lines if line.startswith("smoecast_last_success_timestamp_seconds{")]
    assert len(kept) == 2
    MetricsOfAll(None).publish(run_record.finish(0, ""))
    assert list(tmp_path.iterdir()) == [path]
