"""Quantizes with LMDeploy's AWQ: a script for an environment that has LMDeploy, and nothing of this project.

    python -I awq_worker.py ORDER.json

LMDeploy has no option for calibration data of one's own, so its loader is replaced; and on a CPU its search for scales
takes a snapshot that is no copy and corrupts the model, so the snapshot is made one. The order and what is printed are
as in gptq_worker.py.
"""

import json
import sys
from pathlib import Path
from typing import Any

import lmdeploy.lite.apis.calibrate
import lmdeploy.lite.quantization.calibration
import numpy
import torch
from lmdeploy.lite.apis.auto_awq import auto_awq

LENGTH = 512
"""Token ids of a row: its calibration wants all rows of one length."""


def told(text: str) -> None:
    print(json.dumps({"at": text}), file=sys.__stdout__, flush=True)


def rows(path: str) -> list[torch.Tensor]:
    with numpy.load(path) as arrays:
        ids = torch.from_numpy(arrays["ids"]).long()
    length = min(LENGTH, len(ids))
    return [ids[at : at + length][None] for at in range(0, len(ids) - length + 1, length)]  # (1, T) each


def copying(search: Any) -> Any:
    """The search, with snapshots that are copies: `tensor.cpu()` gives the very tensor where it is on the CPU."""
    plain = torch.Tensor.cpu

    def copied(self: torch.Tensor, *args: Any, **named: Any) -> torch.Tensor:
        return self.detach().clone() if self.device.type == "cpu" else plain(self, *args, **named)

    def mended(*args: Any, **named: Any) -> Any:
        torch.Tensor.cpu = copied
        try:
            return search(*args, **named)
        finally:
            torch.Tensor.cpu = plain

    return mended


def main(path: str) -> None:
    order = json.loads(Path(path).read_text("utf-8"))
    read = rows(order["tokens"])
    lmdeploy.lite.apis.calibrate.get_calib_loaders = lambda *args, **named: read
    calibration = lmdeploy.lite.quantization.calibration
    calibration.auto_scale_block = copying(calibration.auto_scale_block)
    told(f"calibrating on {len(read) * read[0].shape[1]:,} token ids in {len(read):,} rows")
    auto_awq(
        order["source"],
        work_dir=order["out"],
        calib_samples=len(read),
        calib_seqlen=read[0].shape[1],
        batch_size=1,
        w_group_size=order["group"],
        search_scale=True,
        device="cuda" if torch.cuda.is_available() else "cpu",
        dtype="float16",
    )
    told("written")


if __name__ == "__main__":
    main(sys.argv[1])
