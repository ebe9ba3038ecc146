"""Parse a workbook in a separate process.

Parsers of workbooks hold a sheet in memory, and a malicious file can exhaust it, so they run in a process of
their own, under limits. ``main.main`` is its entry point and writes these lines to standard output:

* ``{"sheets": [all names], "hidden": [names], "sheet": the one that is read, "why": code}``. The code is ""
  for the first sheet, else why that one is not read: ``hidden``, ``empty`` or ``numbers`` (it has hardly any)
* or ``{"error": code}`` with ``password``, ``damaged``, ``empty`` (no filled cell), ``unknown`` (no such
  sheet), ``memory``
* each row: one letter for each cell, a tab, a JSON list of the cells' texts. Empty cells at the end are
  omitted, so a blank row is ``\\t[]``. A cell that is too long is cut one character above the limit, a row
  that is too long one cell above it. A hidden row starts with ``-``
* ``{"merged": number of cells that were filled from the merged cell they belong to}``

The letters: ``t`` text or empty, ``n`` whole number of at most 15 digits, ``x`` any other number, ``d`` date
or time, ``b`` TRUE or FALSE, ``e`` error. An upper-case letter is a formula, whose text is its saved result,
or empty without one.
"""
