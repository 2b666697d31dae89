"""Register-transfer reference blocks that pin the simulator's cycle laws.

Every folder with a ``cases.yaml`` is a block: SystemVerilog sources, a bit-exact golden model, an
engine program, and a cocotb bench that demands the very cycle counts of the law in
:mod:`archsim.components`.
"""
