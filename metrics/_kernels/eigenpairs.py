"""Leading eigenpairs of a large symmetric matrix by a block Krylov method with thick restarts.

The subspace is spanned by the best approximations so far and by blocks A Q, A A Q, ..., all orthonormal; eigenpairs of
A projected on it are the next approximations. Nearly all work is products of large matrices, done by panels of rows on
all cores. Panels depend on the number of rows alone, and sums over them are taken in order, so results do not depend on
the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.lazy import each, n_threads
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# The matrix times a block of vectors (n, columns).
Product = Callable[[Array], Array]

# Residuals are measured against the distance of an eigenvalue from the least one, which neither a factor on the matrix
# nor a shift of its spectrum changes. Eigenvalues crowd where noise begins; where they stand apart, the square of the
# residual over the gap bounds the error of the value, here by a millionth.
_TOLERANCE = 5e-3
_TOLERANCE_APART = 7e-4
_MOST_CYCLES = 200
_ROWS = 1024
# Each panel holds its part of a sum until all are there, so there may not be many.
_MOST_PANELS = 32


@dataclass(frozen=True)
class Eigenpairs:
    """Descending eigenvalues, eigenvectors as columns, norms of their residuals, and how many products they took."""

    value: Array
    vector: Array
    residual: Array
    n_products: int


def row_panels(n: int) -> list[slice]:
    """Panels of rows that work is shared out by."""
    step = max(_ROWS, -(-n // _MOST_PANELS))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def by_panels(matrix: Any) -> Product:
    """Products with a matrix (n, n), dense or sparse, by panels of its rows."""
    panels = row_panels(matrix.shape[0])

    def product(block: Array) -> Array:
        image = np.empty_like(block)

        def multiply(rows: slice) -> None:
            image[rows] = matrix[rows] @ block

        each(multiply, panels)
        return image

    return product


def one_thread(user_api: str) -> AbstractContextManager[Any]:
    """Limit ``"blas"``, in all threads, or ``"openmp"``, in this one: the work has threads of its own."""
    limits: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api=user_api)
    return limits


@cache
def _libraries() -> Any:
    # Only libraries that are loaded are found; to look for them takes longer than small clusterings do.
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def sizes(count: int) -> tuple[int, int, int]:
    """Columns of a block, approximations kept at a restart, and columns of the subspace, for ``count`` eigenpairs."""
    width = min(max(count // 16, 16), 64)
    # More are kept than are wanted: the closer the first eigenvalue that is dropped, the slower the last wanted one
    # settles.
    keep = count + max(count // 6, width)
    return width, keep, max(2 * count, keep + 8 * width)


def solver_bytes(n: int, count: int, itemsize: int) -> int:
    """Peak memory of :func:`leading_eigenpairs` beside the matrix, with its result."""
    width, keep, capacity = sizes(count)
    panels = row_panels(n)
    vectors = n * (capacity + 5 * width + count)
    parts = len(panels) * capacity * 2 * width
    rotated = min(n_threads(), len(panels)) * panels[0].stop * keep + capacity * keep
    # The projected matrix; LAPACK's copy, vectors and work space.
    return int(itemsize * (vectors + parts + rotated) + 8 * 6 * capacity**2)


def leading_eigenpairs(
    product: Product, n: int, count: int, *, dtype: np.dtype[Any], known: Array | None = None
) -> Eigenpairs:
    """Find the ``count`` largest eigenvalues of a symmetric matrix, and their eigenvectors.

    Parameters
    ----------
    product
        The matrix, as ``product(block)``, which gives an array of its own; such as :func:`by_panels`.
    n, dtype
        Rows of the matrix, and precision of all vectors.
    count
        How many eigenpairs, at most a quarter of ``n``.
    known
        Orthonormal eigenvectors (n, fewer than ``count``) of eigenvalue 1, which must be the largest.

    Returns
    -------
    Eigenpairs
        Stops when every residual |A v - value v| is below 0.005 of the distance between the eigenvalue and the least
        one (0.0007 where it is in the upper half of the range from the last wanted one), or below what rounding allows,
        and values have stopped to change as much.

    Raises
    ------
    DataValueError
        If residuals do not fall that far.

    Notes
    -----
    A Krylov space of b vectors holds b copies of a repeated eigenvalue. Rounding brings in the others, which shows in
    values that still change; known ones are best given.
    """
    known = np.empty((n, 0), dtype) if known is None else known
    wanted = count - known.shape[1]
    width, keep, capacity = sizes(wanted)
    before = np.full(wanted, np.inf)
    with one_thread("blas"):
        space = _Subspace(product, known, capacity, dtype)
        space.add_random(stream("eigenvectors", 0), width)
        for _ in range(_MOST_CYCLES):
            coupling = space.grow(capacity)
            value, rotation = space.ritz()
            # A V = V T + (the block that waits) (its coupling), so residuals are known without another product with A.
            residual = np.linalg.norm(coupling @ rotation[-len(coupling.T) :, :wanted], axis=0)
            allowed = _allowed(value, wanted, n, np.finfo(dtype).eps)
            if (np.maximum(residual, np.abs(value[:wanted] - before)) <= allowed).all():
                return space.found(value[:wanted], rotation[:, :wanted], residual)
            before = value[:wanted]
            space.restart(value[:keep], rotation[:, :keep])
    raise DataValueError(
        f"affinity: got {(residual > allowed).sum()} of {count} eigenvectors that have not converged after "
        f"{_MOST_CYCLES} restarts, expected none; name smaller n_lobes"
    )


def _allowed(value: Array, count: int, n: int, epsilon: float) -> Array:
    """Largest residual of each of the ``count`` leading eigenvalues at which to stop."""
    above = value[:count] - value[-1]
    apart = above - above[-1] > above / 2
    # Products are off by their own rounding, and by that of the largest eigenvalue, of which the sum of many entries
    # leaves little; the projected matrix by that of double precision.
    rounding = 8 * epsilon * (np.abs(value).max() + n**-0.5) + 32 * np.finfo(np.float64).eps
    return np.asarray(np.maximum(np.where(apart, _TOLERANCE_APART, _TOLERANCE) * above, rounding))


class _Subspace:
    """An orthonormal basis that grows by blocks behind known eigenvectors, and the matrix projected on it."""

    def __init__(self, product: Product, known: Array, capacity: int, dtype: np.dtype[Any]) -> None:
        self._product, self._known = product, known.shape[1]
        self._basis = np.zeros((len(known), self._known + capacity), dtype)
        self._basis[:, : self._known] = known
        self._panels = row_panels(len(known))
        self._projected = np.zeros((self._basis.shape[1],) * 2)
        # Columns before ``_start`` have been multiplied by the matrix; those before ``_near`` are orthogonal to the
        # next product but for rounding.
        self._near = 0
        self._start = self._size = self._known
        self._next = self._basis[:, :0]
        self._n_products = 0

    def add_random(self, rng: np.random.Generator, n_columns: int) -> None:
        """Add random vectors, to be multiplied next."""
        drawn = rng.standard_normal((len(self._basis), n_columns), dtype=self._basis.dtype)
        self._append(self._beyond_basis(drawn, np.zeros((self._size, n_columns)))[0])

    def grow(self, capacity: int) -> Array:
        """Multiply and add blocks while they fit; what couples the last one to the next, which waits."""
        while True:
            size, columns = self._size, slice(self._start, self._size)
            image = self._product(np.ascontiguousarray(self._basis[:, columns]))
            self._n_products += image.shape[1]
            coefficient = np.zeros((size, image.shape[1]))
            # As the matrix is symmetric, its product with a block has parts along that block and the one before, and
            # along older ones by rounding alone, which is projected out below with the rest.
            coefficient[self._near :] = self._project_out(image, self._near)
            block, coupling = self._beyond_basis(image, coefficient)
            self._projected[:size, columns] = coefficient
            self._projected[columns, :size] = coefficient.T
            if size + block.shape[1] > self._known + capacity:
                self._next = block
                return coupling
            self._near, self._start = self._start, size
            self._append(block)

    def ritz(self) -> tuple[Array, Array]:
        """Eigenvalues of the projected matrix, descending, and its eigenvectors; without the known ones."""
        unknown = slice(self._known, self._size)
        value, vector = np.linalg.eigh(self._projected[unknown, unknown])
        return value[::-1], vector[:, ::-1]

    def restart(self, value: Array, rotation: Array) -> None:
        """Keep only the approximations that ``rotation`` combines, and the block that waits."""
        columns = slice(self._known, self._known + len(value))
        self._rotate(rotation, self._basis, columns)
        self._projected[:] = 0
        np.fill_diagonal(self._projected[columns, columns], value)
        # From the first column on: the block that waits is coupled to every approximation that is kept, by its
        # residual.
        self._near, self._start, self._size = 0, columns.stop, columns.stop
        self._append(self._next)

    def found(self, value: Array, rotation: Array, residual: Array) -> Eigenpairs:
        """The known eigenpairs, and those that ``rotation`` combines."""
        count = self._known + len(value)
        vector = np.empty((len(self._basis), count), self._basis.dtype)
        vector[:, : self._known] = self._basis[:, : self._known]
        self._rotate(rotation, vector, slice(self._known, count))
        return Eigenpairs(
            np.concatenate([np.ones(self._known), value]),
            vector,
            np.concatenate([np.zeros(self._known), residual]),
            self._n_products,
        )

    def _rotate(self, rotation: Array, out: Array, columns: slice) -> None:
        """Set ``columns`` of ``out`` to V R, for the unknown basis V (n, size) and rotation R (size, kept)."""
        rotation = rotation.astype(out.dtype)

        def rotate(rows: slice) -> None:
            out[rows, columns] = self._basis[rows, self._known : self._size] @ rotation

        each(rotate, self._panels)

    def _append(self, block: Array) -> None:
        """Put a block (n, columns) behind the basis."""
        self._basis[:, self._size : self._size + block.shape[1]] = block
        self._size += block.shape[1]

    def _project_out(self, block: Array, first: int) -> Array:
        """Remove from a block its part along the basis from column ``first`` on; the coefficients of that part."""
        basis = self._basis[:, first : self._size]
        coefficient = self._total(lambda rows: basis[rows].T @ block[rows])
        part = coefficient.astype(block.dtype)

        def subtract(rows: slice) -> None:
            block[rows] -= basis[rows] @ part

        each(subtract, self._panels)
        return coefficient

    def _beyond_basis(self, block: Array, coefficient: Array) -> tuple[Array, Array]:
        """Factors Q R of the part of a block that is orthogonal to the basis; adds the rest to its coefficients."""
        block, factor = self._orthonormal(block)
        # Once, but for blocks of which nothing or rounding is left: they go on as directions that rounding draws.
        for _ in range(5):
            coefficient += self._project_out(block, 0) @ factor
            block, step = self._orthonormal(block)
            factor = step @ factor
            # A pass that leaves most of every column had little to remove: what is left is orthogonal to rounding
            # (twice is enough; Parlett 1980).
            if np.abs(step.diagonal()).min() > 0.7:
                break
        return block, factor

    def _orthonormal(self, block: Array) -> tuple[Array, Array]:
        """Factors Q R of a block: by the Cholesky factor of its Gram matrix, or if columns nearly depend, by QR."""
        gram = self._total(lambda rows: block[rows].T @ block[rows])
        norm = np.sqrt(gram.diagonal())
        upper = _cholesky(gram / norm / norm[:, None]) * norm if norm.min() > 0 else np.zeros_like(gram)
        if not upper.any():
            q, r = np.linalg.qr(block)
            return q, r.astype(np.float64)
        inverse = np.linalg.inv(upper).astype(block.dtype)
        q = np.empty_like(block)

        def divide(rows: slice) -> None:
            np.matmul(block[rows], inverse, out=q[rows])

        each(divide, self._panels)
        return q, upper

    def _total(self, function: Callable[[slice], Array]) -> Array:
        """Sum over panels, in their order and in double precision."""
        total, *others = each(function, self._panels)
        total = total.astype(np.float64)
        for part in others:
            total += part
        return total


def _cholesky(correlation: Array) -> Array:
    """Upper factor of a correlation matrix; zeros if it is too near to singular for single precision."""
    try:
        upper = np.linalg.cholesky(correlation).T
    except np.linalg.LinAlgError:
        return np.zeros_like(correlation)
    # Orthogonality suffers with the square of one over a pivot: 0.03 costs three digits, which the next pass gains
    # back.
    return upper if upper.diagonal().min() > 0.03 else np.zeros_like(correlation)
