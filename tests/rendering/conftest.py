"""The reference renderer is large elementwise torch work: on a busy machine the barriers between several torch threads
cost more than they bring."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_torch_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
