"""Work that outlives the request which asked for it.

It must not know what the work is.
"""
