"""A stand-in for LMDeploy 0.18: speaks its HTTP protocol as its source does, without a model and without a GPU.

    python -m tests.stand_in.lmdeploy serve api_server MODEL --backend turbomind --server-name 127.0.0.1 …

Takes LMDeploy's flags, complains about others as argparse does, and binds its port only once it has "loaded". What it
says is decided by the prompt's ids, or by a script. How it misbehaves is said by the environment:

STAND_IN_SCRIPT   file of replies, one a line, told in rotation by the tokenizer of MODEL
STAND_IN_LATE     loads until this file is there
STAND_IN_RECORD   file that tells what happened, one JSON object a line
STAND_IN_FAULT    faults, separated by commas
STAND_IN_FAULTS   file with faults, read anew at every request

At start: die, no_memory, fallback, stubborn (no SIGTERM ends it), child, child_apart (leaves a process, in its group or
in one of its own), chatty (prints its key), adapters:N (has no memory for more). While it runs: initializing (/health
says 503), no_ids, no_usage, error_frame, exit:N, hang:N, cut:N (dies, falls silent, or breaks off after N ids), slow:S
(seconds before each id), sleepless (falls silent before the first id, /health too).
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.stand_in.lmdeploy_http import serve

TAKES_A_VALUE = """
allow-origins* allow-methods* allow-headers* proxy-url max-concurrent-requests allowed-media-domains* log-level
api-keys* max-log-len chat-template tool-call-parser reasoning-parser revision download-dir generation-config adapters*
device logprobs-mode dllm-block-length dllm-unmasking-strategy dllm-denoising-steps dllm-confidence-threshold
distributed-executor-backend kernel-block-size prefix-cache-state-budget prefix-cache-decode-state-interval dtype tp
session-len max-batch-size cache-max-entry-count num-gpu-blocks cache-block-seq-len max-prefill-token-num quant-policy
model-format hf-overrides dp ep role migration-backend cudagraph-capture-batch-sizes* piecewise-cudagraph-max-tokens
node-rank nnodes kv-transfer-config cp rope-scaling-factor num-tokens-per-iter max-prefill-iters async communicator
moe-a2a-backend dist-init-addr vision-max-batch-size speculative-algorithm speculative-draft-model
speculative-num-draft-tokens speculative-dflash-block-size model-name server-name
"""
SWITCHES = """
allow-credentials ssl disable-fastapi-docs allow-terminate-by-client enable-abort-handling trust-remote-code eager-mode
empty-init enable-return-routed-experts language-model-only enable-prefix-caching disable-metrics enable-microbatch
enable-eplb
"""


def arguments(args: Sequence[str]) -> argparse.Namespace:
    """Reads the command line; what LMDeploy does not know ends with 2, as there."""
    parser = argparse.ArgumentParser(prog="lmdeploy")
    server = parser.add_subparsers(required=True).add_parser("serve").add_subparsers(required=True)
    api = server.add_parser("api_server")
    api.add_argument("model_path")
    api.add_argument("--server-port", type=int, default=23333)
    api.add_argument("--backend", choices=("pytorch", "turbomind"), default="turbomind")
    for name in TAKES_A_VALUE.split():
        api.add_argument(f"--{name.rstrip('*')}", nargs="*" if name.endswith("*") else None)
    for name in SWITCHES.split():
        api.add_argument(f"--{name}", action="store_true")
    chosen = parser.parse_args(args)
    if chosen.cache_max_entry_count and not 0 < float(chosen.cache_max_entry_count) < 1:
        sys.exit("[TM][FATAL] Check failed: object-cache path no longer accepts cache_max_block_count as a block count")
    return chosen


def main(args: Sequence[str]) -> None:
    """Loads, binds, serves."""
    chosen = arguments(args)
    faults = set(filter(None, os.environ.get("STAND_IN_FAULT", "").split(",")))
    _misbehave(faults, chosen)
    _load(os.environ.get("STAND_IN_LATE", ""))
    try:
        asyncio.run(serve(chosen, stubborn="stubborn" in faults))
    except OSError as error:
        sys.exit(f"ERROR:    [Errno {error.errno}] error while attempting to bind on address: address already in use")


def _misbehave(faults: set[str], chosen: argparse.Namespace) -> None:
    if "stubborn" in faults:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "chatty" in faults:
        print("Namespace:", vars(chosen), file=sys.stderr)
    for name, apart in (("child", False), ("child_apart", True)):
        if name in faults:
            left = subprocess.Popen(["sleep", "600"], start_new_session=apart)
            _record(child=left.pid)
    if "fallback" in faults:
        print(
            "2026-11-21 - lmdeploy - WARNING - archs.py:40 - Fallback to pytorch engine because turbomind is not built."
        )
        sys.stdout.flush()
    if "no_memory" in faults:
        print("RuntimeError: [TM][ERROR] CUDA runtime error: out of memory memory_utils.cu:32", file=sys.stderr)
    if {"no_memory", "die"} & faults:
        sys.exit(1)
    if os.environ.get("STAND_IN_RECORD"):
        _record(started=os.getpid(), args=sys.argv[1:])


def _load(late: str) -> None:
    while late and not Path(late).exists():
        time.sleep(0.01)


def _record(**happened: object) -> None:
    if path := os.environ.get("STAND_IN_RECORD"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(happened) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
