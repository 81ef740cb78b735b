"""The contact policy: whether a survey that is due is sent now, later or never.

``rules`` is the ordered list of its rules, a module each; ``engine`` walks it, for one customer at a time.
"""
