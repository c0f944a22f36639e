"""Progress is silent unless asked for, and never on stdout."""

from causalrep.utils import progress_bar


def test_a_bar_that_is_not_enabled_prints_nothing(capfd):
    with progress_bar(3, description="training", enabled=False) as bar:
        for _ in range(3):
            bar.update()
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_bar_reports_on_stderr(capfd):
    with progress_bar(3, description="training", enabled=True) as bar:
        for _ in range(3):
            bar.update()
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "training" in captured.err
    assert "3/3" in captured.err


def test_work_that_resumes_starts_where_it_stopped(capfd):
    with progress_bar(10, description="training", enabled=True, initial=8) as bar:
        assert bar.n == 8
        bar.update(2)
    assert "10/10" in capfd.readouterr().err
