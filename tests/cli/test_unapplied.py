"""Commands that work on what is applied say when the files have moved on."""

from featurectl.cli.main import main


def test_a_change_that_is_not_applied_is_told_and_not_used(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "shop", "--template", "minimal"]) == 0
    monkeypatch.chdir(tmp_path / "shop")
    assert main(["apply", "--auto-approve"]) == 0
    capsys.readouterr()
    assert main(["materialize"]) == 0
    assert "warning" not in capsys.readouterr().err
    path = tmp_path / "shop" / "features.yaml"
    path.write_text(path.read_text().replace("windows: [7d]}", "windows: [7d, 30d]}", 1))
    assert main(["materialize"]) == 0
    err = capsys.readouterr().err
    assert (
        "warning: feature view customer_orders differs from what is applied, which is used here: featurectl plan" in err
    )
    assert main(["materialize", "-q"]) == 0
    assert "warning" not in capsys.readouterr().err
