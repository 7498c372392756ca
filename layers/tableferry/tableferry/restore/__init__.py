"""Tables of a backup come back: built beside the live ones, proven, swapped in at once, and undone or accepted.

It knows when the live tables may change, and is the only folder that changes them. What it decides is recorded in the
bucket before and after, so that any other process can finish it. It must not know of HTTP.
"""
