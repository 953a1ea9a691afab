"""The example notebooks run from top to bottom, in a kernel of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from maestromotif.report import ReportSources

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_shows_what_it_says(path: Path, project: ReportSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pandas", "ipykernel"):
        pytest.importorskip(package)
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    (project.root / "maestro.toml").write_text("", encoding="utf-8")
    # Kernels are found here and nowhere else, and nothing is written into the person's home.
    kernel = tmp_path / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    for name, value in {"PROJECT": project.root, "JUPYTER_PATH": tmp_path / "share/jupyter", "HOME": tmp_path}.items():
        monkeypatch.setenv(name, str(value))
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "the notebook is kept without outputs"
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output for output in shown if output.output_type == "stream" and output.name == "stderr"] == []
    texts = "\n".join(str(output.data.get("text/plain", "")) for output in shown if output.output_type == "execute_result")
    for word in ("my corridor", "go_left", "both_ends", "clearly better", "True", "first", "second"):
        assert word in texts
    assert any("image/png" in output.data for output in shown if output.output_type == "display_data")
