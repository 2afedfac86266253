"""How it is told: words, figures, the pieces of the report, and the page they make."""
