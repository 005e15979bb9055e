"""The forms an audit is printed in for machines and pages: SARIF, JUnit, Markdown, HTML.

Belongs here: text made of an ``Audit``. Does not: the table for terminals (``cli``), and the JSON (``audit.report``).
"""
