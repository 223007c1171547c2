"""Names for what functions take: for a reader, and for a type checker.

What comes out is always a NumPy array, a `csc_array`, a number or a frozen dataclass, and is named as such.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import scipy.sparse as sp
from numpy.typing import ArrayLike

__all__ = ["AnyArray", "ArrayLike", "MatrixLike", "PathLike", "Tokenizer"]

AnyArray: TypeAlias = Any                                       # of NumPy, or a tensor of torch: no common class
MatrixLike: TypeAlias = ArrayLike | sp.sparray | sp.spmatrix    # a matrix, dense or sparse
PathLike: TypeAlias = str | os.PathLike[str]
Tokenizer: TypeAlias = str | Callable[[str], list[str]]         # by name, or from one document to its tokens
