"""Leading eigenpairs of a matrix that LAPACK decomposes, and products of a symmetric one, while other threads go on.

scipy's own wrappers hold the interpreter as long as LAPACK works, so that the threads of a run take turns.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from saegeom_data.typing import Array


def by_lapack(matrix: Array, count: int, *, single: bool = False) -> tuple[Array, Array]:
    """Leading eigenvalues (count,), descending, and eigenvectors (n, count) of ``matrix`` (n, n).

    In double precision, or with ``single`` in single precision, which takes half the time; eigenvectors are in that of
    ``matrix``.
    """
    n, dtype = len(matrix), np.float32 if single else np.float64
    if not n:
        return np.empty(0), np.empty((0, 0), matrix.dtype)
    count = min(count, n)
    # LAPACK works in place on columns, which are rows of the transpose.
    value, vector, failed = _by_syevr(np.array(matrix, dtype, order="C"), count)
    if failed:
        from scipy.linalg import eigh

        # The fast algorithm gives up where most eigenvalues are equal, as those of rows on one line; QR never does.
        columns = np.array(matrix, np.float64, order="C").T
        value, vector = eigh(columns, driver="ev", overwrite_a=True, check_finite=False)
        value, vector = value[n - count :], vector[:, n - count :]
    return value[::-1].astype(np.float64), vector[:, ::-1].astype(matrix.dtype)


def symmetric_product(matrix: Array, vector: Array) -> Array:
    """``matrix @ vector`` for a symmetric ``matrix`` (n, n) in C order; both in double precision, which is not checked.

    One triangle is read, so that large matrices, which wait for memory, take half the time.
    """
    n = len(matrix)
    found = np.empty(n)
    # UPLO, N, ALPHA, A, LDA, X, INCX, BETA, Y, INCY.
    _by_address(
        "cython_blas", "dsymv", np.float64, b"L", n, 1.0, matrix, n, np.ascontiguousarray(vector), 1, 0.0, found, 1
    )
    return found


def _by_syevr(columns: Array, count: int) -> tuple[Array, Array, bool]:
    """The ``count`` largest eigenvalues, ascending, their eigenvectors (n, count), and whether LAPACK gave up.

    ``columns`` (n, n), in single or double precision, is overwritten.
    """
    n, dtype = len(columns), columns.dtype
    value, vectors, support = np.empty(n, dtype), np.empty((count, n), dtype), np.empty(2 * count, np.intc)
    # JOBZ, RANGE, UPLO, N, A, LDA, VL, VU, IL, IU, ABSTOL, and below M, W, Z, LDZ, ISUPPZ. The lower triangle of
    # columns is the upper one of rows, which are alike as the matrix is symmetric.
    given = b"V", b"I", b"L", n, columns, n, 0.0, 0.0, n - count + 1, n, 0.0
    found = value, vectors, n, support
    size, index_size = np.empty(1, dtype), np.empty(1, np.intc)
    _call(given, found, size, -1, index_size, -1)
    work, index_work = np.empty(int(size[0]), dtype), np.empty(int(index_size[0]), np.intc)
    n_found = _call(given, found, work, len(work), index_work, len(index_work))
    return value[:count], vectors.T, n_found < count


def _call(given: Any, found: Any, work: Array, size: int, index_work: Array, index_size: int) -> int:
    """Call SYEVR, or ask it for the sizes of its work space if these are -1; how many it found, 0 if it failed."""
    value, vectors, leading, support = found
    n_found, info = np.zeros(1, np.intc), np.zeros(1, np.intc)
    arguments = (*given, n_found, value, vectors, leading, support, work, size, index_work, index_size, info)
    _by_address("cython_lapack", "ssyevr" if value.dtype == np.float32 else "dsyevr", value.dtype, *arguments)
    return 0 if info[0] else int(n_found[0])


def _by_address(module: str, name: str, dtype: Any, *arguments: Any) -> None:
    """Call a routine of BLAS or LAPACK for numbers of ``dtype``, which takes all arguments by address."""
    # The list keeps what addresses point to alive until the routine returns.
    held = [_held(argument, dtype) for argument in arguments]
    _routine(module, name, len(held))(*(argument.ctypes.data for argument in held))


def _held(argument: bytes | float | Array, dtype: Any) -> Array:
    """An argument as an array that LAPACK can take: letters, whole numbers of 32 bits, or numbers of ``dtype``."""
    if isinstance(argument, np.ndarray):
        return argument
    if isinstance(argument, bytes):
        return np.frombuffer(argument, np.uint8)
    # scipy's LAPACK counts in 32 bits whatever the machine; a wider number would be read as its lower half or its upper
    # one.
    return np.array([argument], np.intc if isinstance(argument, int) else dtype)


@cache
def _routine(module: str, name: str, n_arguments: int) -> Any:
    """A routine as scipy brings it; ctypes lets go of the interpreter while it works."""
    from numba.extending import get_cython_function_address

    address = get_cython_function_address(f"scipy.linalg.{module}", name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * n_arguments)(address)
