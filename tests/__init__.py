"""The tests. Importing them comes first of all, so this is where sums get one thread each, here and in every child.

Small tensors cost more to share between threads than to work on, and threads that spin for each other beside other work
cost far more than that: finding the shape of a head took 124 s with two threads on a busy machine and 7 s with one.
The program fits and talks with one thread as well.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
