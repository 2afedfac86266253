"""Which run: its parameters, the profiles that name it, and the record it leaves."""
