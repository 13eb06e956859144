"""Fuzz targets: one for each codec, and those that stand in files of their own."""
