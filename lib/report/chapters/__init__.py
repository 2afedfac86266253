"""The report's chapters that tell rather than show: abstract, code, conclusions, the student's own words."""
