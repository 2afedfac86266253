"""How it is learnt: the loop, its checkpoints and settings, several processes, and how much work it is."""
