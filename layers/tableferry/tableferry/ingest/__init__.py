"""A request or a file becomes rows, once: `read = inserted + updated + rejected + duplicates`.

It knows the order of the work. How a file is read, a row is checked and a row is written, its folders know.
"""
