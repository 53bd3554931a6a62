"""LMDeploy's own loader reads our int4 file as the gate read it; runs where LMDeploy's environment is named.

CHATROOM_TEST_LMDEPLOY=/opt/lmdeploy/bin/python pytest tests/workshop/test_read_by_lmdeploy.py
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tiny import make_base  # isort: skip  # it sets the number of threads before torch is loaded

import torch
from safetensors.torch import load_file

from quantize.job import Job, Recipe
from quantize.methods.base import quantized
from quantize.packed.layers import linear_layers
from quantize.packed.reading import dequantized

PYTHON = os.environ.get("CHATROOM_TEST_LMDEPLOY", "")
TOOLS = ("cc", "nm")
LIBRARIES = ("libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libnccl.so.2", "libcuda.so.1")
"""What a machine with a GPU has. Reading calls none of it, so that libraries do whose functions do nothing."""
DRIVER = re.compile(r"nccl\w+|cuda\w+|cublas\w+|cu[A-Z]\w+|__cuda\w+|nvrtc\w+")
FIND = "import importlib.util as u; print(u.find_spec('lmdeploy').submodule_search_locations[0])"


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def make_libraries(folder: Path) -> None:
    """Writes libraries that LMDeploy's own can be loaded with where there is no driver."""
    (engine,) = (Path(said(PYTHON, "-I", "-c", FIND).strip()) / "turbomind").glob("_turbomind*.so")
    wanted = {name.split("@")[0] for name in said("nm", "-D", "--undefined-only", str(engine)).split()}
    functions = [f"long {name}(void) {{ return 0; }}" for name in sorted(wanted) if DRIVER.fullmatch(name)]
    (folder / "none.c").write_text("\n".join(functions))
    for name in LIBRARIES:
        text = folder / "none.c" if name == LIBRARIES[-1] else Path(os.devnull)
        said("cc", "-w", "-shared", "-fPIC", "-x", "c", str(text), "-o", str(folder / name), f"-Wl,-soname,{name}")


def read_by_lmdeploy(folder: Path, out: Path) -> dict[str, torch.Tensor]:
    make_libraries(out.parent)
    script = Path(__file__).with_name("read_by_lmdeploy.py")
    environ = os.environ | {"LD_LIBRARY_PATH": str(out.parent), "HF_HUB_OFFLINE": "1"}
    subprocess.run([PYTHON, "-I", str(script), str(folder), str(out)], check=True, env=environ)
    return load_file(out)


@pytest.mark.skipif(not PYTHON or not all(map(shutil.which, TOOLS)), reason="CHATROOM_TEST_LMDEPLOY is not set")
@pytest.mark.parametrize("keep", [(), ("model.layers.0.mlp",)], ids=["all", "one block kept"])
def test_lmdeploy_reads_what_the_gate_read(tmp_path: Path, keep: tuple[str, ...]) -> None:
    base = make_base(tmp_path / "base", num_hidden_layers=2, hidden_size=128, intermediate_size=256)
    recipe = Recipe(method="rtn", group=128, keep=keep)
    job = Job(
        source=base, out=tmp_path / "out", recipe=recipe, tokens=tmp_path, log=tmp_path / "log", home=tmp_path
    )  # fmt: skip
    ours = dequantized(quantized(job, print))
    theirs = read_by_lmdeploy(tmp_path / "out", tmp_path / "theirs.safetensors")
    assert set(theirs) == {f"{name}.weight" for name in linear_layers(base)}
    assert all(torch.equal(theirs[name], ours[name].float()) for name in theirs)
