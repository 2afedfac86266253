"""How good it is: accuracy, neighbours, what labels are worth, how the features lie, clusterings."""
