# %% [markdown] intro

# %% setup
import torch
import torch.nn.functional as F

from lib.teach.checks import Tutor

check = Tutor("[[language]]")

# %% [markdown] cosine-why

# %% cosine kind="solution"
def cosine_similarity(a, b):
    """[[cosine-doc]]"""
    ### BEGIN SOLUTION
    return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    ### END SOLUTION


# %% cosine-check kind="tests" points=6
check.cosine(cosine_similarity)
### BEGIN HIDDEN TESTS
_a, _b = torch.randn(5, 3, dtype=torch.float64) * 50, torch.randn(2, 3, dtype=torch.float64)
_want = [[float(x @ y / (x.norm() * y.norm())) for y in _b] for x in _a]
assert torch.allclose(cosine_similarity(_a, _b), torch.tensor(_want, dtype=torch.float64)), "[[hidden]]"
### END HIDDEN TESTS

# %% [markdown] cosine-question

# %% [markdown] cosine-words kind="answer" points=3
