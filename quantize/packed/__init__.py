"""INT4 WEIGHTS IN FILES: packed and unpacked as compressed-tensors and AWQ write them, with nothing but torch.

So the gate judges the very file that TurboMind loads, in the server's own environment.
"""
