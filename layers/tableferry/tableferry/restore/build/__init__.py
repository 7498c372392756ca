"""Tables of a backup built and proven in a schema of their own; nothing live is touched.

It must not know of swaps, records or requests.
"""
