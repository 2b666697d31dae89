import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archsim.edgecim.pareto import pareto_front


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=60))
def test_front_is_what_nothing_dominates(rows):
    costs = np.array(rows, dtype=np.float64)
    front = pareto_front(costs)
    kept = {tuple(row) for row in costs[front]}
    assert len(kept) == len(front)
    for row in costs:
        beaten = any((other <= row).all() and (other < row).any() for other in costs)
        assert (tuple(row) in kept) == (not beaten)
