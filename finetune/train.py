"""Trains what a run folder says, and puts it into the role folder: one process, or one for each GPU.

`python launch.py finetune ROLE --prepare` writes run.json; this goes on with a run that was stopped. It knows no
command line but this one.

    python -m finetune.train var/workshop/ROLE/runs/lora
    accelerate launch -m finetune.train var/workshop/ROLE/runs/lora
"""

import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from finetune.errors import WorkshopError
from finetune.training.lock import held
from finetune.training.plan import read_plan
from finetune.training.report import gained
from finetune.training.run import train
from finetune.training.save import check_writable, install


def main(args: argparse.Namespace) -> int:
    """Trains, and installs in the first process."""
    first = os.environ.get("RANK", "0") == "0"
    try:
        if first:
            check_writable(Path(read_plan(args.run).folder))
        with held(args.run) if first else nullcontext():
            result = train(args.run)
            folders = install([args.run]) if first else []
    except WorkshopError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not first:
        return 0
    print(gained(result))
    for folder in folders:
        print(f"written: {folder}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER")
    sys.exit(main(parser.parse_args()))
