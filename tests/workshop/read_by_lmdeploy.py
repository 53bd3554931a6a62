"""Reads int4 weights with LMDeploy's own loader, as TurboMind's converter does: a script for LMDeploy's environment.

    python -I read_by_lmdeploy.py FOLDER OUT.safetensors

Nothing is computed on a GPU: what asks one for its number formats is answered here. It writes every linear layer,
dequantized by LMDeploy, and prints how LMDeploy takes the folder.
"""

import os
import sys

ATTENTION = tuple(f"self_attn.{name}_proj" for name in "qkvo")
LAYERS = (*ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


def layer(model, prefix):
    """One layer as LMDeploy reads it: (out, in), float32."""
    form, found = model._resolver.resolve(prefix)
    if form.name == "trivial":
        return found[".weight"].float()
    parts = {kind: form.normalize(found[suffix], kind) for suffix, kind in form.suffix_map.items() if suffix in found}
    if "zeros" not in parts:
        parts["zeros"] = form.synthesize_zeros(parts["scales"])
    parts = {kind: part.float() for kind, part in parts.items()}
    return form.dequant(parts, None)["weight"].t()


def main(folder, out):
    sys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)  # its library wants a driver's, of which reading calls nothing
    import lmdeploy.turbomind.converter as converter
    from lmdeploy.messages import TurbomindEngineConfig
    from lmdeploy.turbomind import checkpoint
    from safetensors.torch import save_file

    converter._get_executable_dtypes = lambda formats, device: {"float16", "bfloat16"}
    checkpoint.SafetensorsCheckpoint.get = lambda self, key, index=None: self._data[key]
    checkpoint.SafetensorsCheckpoint.pop = lambda self, key, index=None: self._data.pop(key)
    asked = TurbomindEngineConfig(devices=[0])
    model, *_ = converter.get_tm_config(folder, asked)
    print(asked.model_format, asked.dtype, type(model).__name__)
    opened = checkpoint.create_checkpoint(folder)
    prefix = checkpoint.Prefix(opened)
    count = 1 + max(int(key.split(".")[2]) for key in opened._data if key.startswith("model.layers."))
    names = [f"model.layers.{at}.{name}" for at in range(count) for name in LAYERS]
    save_file({f"{name}.weight": layer(model, prefix + name).contiguous() for name in names}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
