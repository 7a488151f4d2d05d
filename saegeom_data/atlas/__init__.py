"""The atlas: one HTML file in which the features of SAEs are seen on a map, searched, and read one by one.

:mod:`.build` gathers what a store and results say of each SAE (:mod:`.facts`), :mod:`.payload` packs it to bytes, and
:mod:`.page` writes them with own scripts and styles into one file, which asks nothing of any network.
"""
