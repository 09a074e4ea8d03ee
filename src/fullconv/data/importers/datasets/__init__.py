"""Importers of published datasets' formats and of plain masks, one file each."""
