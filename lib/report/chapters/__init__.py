"""The report's chapters: abstract, code, results, evidence, methods, conclusions, appendix, the student's own words."""
