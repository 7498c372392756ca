"""The inner loops of `columnar` in C, and what Python must know of them.

A machine without the compiled library has the same results from Python, slower.
"""
