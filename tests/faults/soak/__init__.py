"""The soak: a shop, its customers and faults at random on a running stack; then the audit, and a recomputation of its
own.

Start reading at `run.py`. Neither the recomputation (`recomputation/`) nor what gathers its evidence (`outside.py`)
imports anything of the product: `tests/unit/faults/test_independence.py` holds that.
"""
