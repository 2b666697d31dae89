"""Hardware components: configuration models, cycle laws, energy, area and capacity.

One module per kind (``systolic_array vector_unit sram dram dma link``), found through the entry
points ``archsim.components``; nothing is imported here, so that ``import archsim.components`` is
free.
"""
