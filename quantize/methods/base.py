"""The contract of a method: a module with HELP, GROUPS, KEEPS, ENVIRONMENT and quantize().

A method writes a folder with config.json and safetensors in a format that TurboMind loads; what all have in common is
set right by quantize/packed/finishing.py. It judges nothing: the gate does.
"""

from pathlib import Path
from typing import Protocol, cast

from chatroom import plugins
from quantize.environment import Environment
from quantize.job import Job, Tell
from quantize.packed.finishing import finish

KIND = "quantize.methods"


class Method(Protocol):
    """What a module in this folder defines.

    Attributes:
        HELP: What a user is told of it, a few words.
        GROUPS: Sizes of groups that it can make, the one that costs the least memory first.
        KEEPS: Whether it can leave single blocks in 16 bit.
        ENVIRONMENT: Where it runs; None for one that runs here, or where no environment can be made for it.
    """

    HELP: str
    GROUPS: tuple[int, ...]
    KEEPS: bool
    ENVIRONMENT: Environment | None

    @staticmethod
    def quantize(job: Job, tell: Tell) -> None:
        """Writes the int4 weights to `job.out`."""


def method(name: str) -> Method:
    """The method of a name.

    Raises:
        PluginError: There is none.
    """
    return cast(Method, plugins.load(KIND, name))


def quantized(job: Job, tell: Tell) -> Path:
    """Carries a job out; gives the folder of int4 weights.

    Raises:
        WorkshopError: It can't be done.
    """
    method(job.recipe.method).quantize(job, tell)
    finish(job.out, job.source)
    return job.out
