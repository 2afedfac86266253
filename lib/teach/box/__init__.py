"""Student code in a box: a process of its own that is asked for values, and a judge outside that runs the tests.

``channel`` is what both speak, ``worker`` the student's side, ``process`` starts, limits and ends it, ``walls`` are
what the system offers to keep it in, and ``judge`` runs the master's test cells against it.
"""
