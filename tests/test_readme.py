import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs(number, tmp_path, monkeypatch):
    import numpy as np

    from saegeom_data.testing.simulate import write_simulated_activations

    if "batches(" in BLOCKS[number]:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    # The files that the reader is said to have.
    write_simulated_activations("activations.zarr", n_tokens=9000, n_hidden=8)
    np.save("decoder.npy", np.random.default_rng(0).standard_normal((400, 192)).astype("float32"))
    exec(compile(BLOCKS[number], f"README example {number}", "exec"), {})


def test_pictures_and_files_exist():
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (README.parent / target).exists(), target


def test_examples_were_found():
    assert len(BLOCKS) >= 2
