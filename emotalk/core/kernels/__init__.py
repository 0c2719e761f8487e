"""Compiled CPU kernels: explicit SIMD, a cache on disk, and the threads that share a call."""
