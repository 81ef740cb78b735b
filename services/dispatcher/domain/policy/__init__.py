"""The contact policy: whether a survey that is due is sent now, later or never.

``rules`` is the ordered list of its rules, one module each; ``engine`` applies them, one customer at a time.
"""
