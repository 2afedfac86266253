"""For teachers: an assignment, its checks, and what grades it."""
