"""A file as blocks of checked rows, the same blocks however often it is read, in bounded memory.

It knows no database: what a table is, it is told.
"""
