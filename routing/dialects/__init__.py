"""Rule documents of other systems: each module has `load(document)` and `dump(table)`.

A dialect maps foreign names to metadata keys and foreign semantics to our conditions, so that an imported table answers
as the original system would. What cannot be answered exactly is a ConfigError that names it, never ignored.
"""
