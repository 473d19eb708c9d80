"""Two sets of processes with names of their own against one PostgreSQL: one is switched off, the other goes on.

It is the short form of `bench/scale_out`; times are held there, not here.
"""

from tests.flows.test_chaos import embedded, held

__all__ = ["embedded"]


def test_a_set_that_is_switched_off_is_replaced_by_the_other(embedded):
    held("bench/scale_out", "--short", "--times-told")
