"""Problems of algebra and calculus for the generated worksheets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction


def _polynomial(coefficients: Sequence[Fraction | int], variable: str = "x") -> str:
    """Write a polynomial; ``coefficients[i]`` belongs to the power ``i``."""
    text = ""
    for power in reversed(range(len(coefficients))):
        value = coefficients[power]
        if value == 0:
            continue
        sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
        body = "" if abs(value) == 1 and power else str(abs(value))
        # 1/2x^2 would read as 1 / (2 x^2).
        if "/" in body and power:
            body = f"({body})"
        tail = "" if power == 0 else variable if power == 1 else f"{variable}^{power}"
        text += sign + body + tail
    return text or "0"


def _draw_polynomial(draw: random.Random, degree: int) -> list[int]:
    """Draw integer coefficients, lowest power first; that of ``degree`` is never 0."""
    coefficients = [draw.choice((-1, 1)) * draw.randint(0, 9) for _ in range(degree)]
    return [*coefficients, draw.choice((-1, 1)) * draw.randint(1, 7)]


def _derivative(coefficients: Sequence[int]) -> list[int]:
    """Coefficients of the derivative: c x^n becomes n c x^(n - 1)."""
    return [power * value for power, value in enumerate(coefficients)][1:]


def _linear_equation(draw: random.Random) -> str:
    # Problems are made backwards, from a whole solution.
    a, x, b = draw.randint(2, 12), draw.randint(-12, 12), draw.randint(-20, 20)
    variable = draw.choice("xyztn")
    left, right = _polynomial([b, a], variable), a * x + b
    moved = f"subtract {b} from" if b >= 0 else f"add {-b} to"
    return (
        f"Solve {left} = {right} for {variable}.\nFirst {moved} both sides: {a}{variable} = {right - b}. "
        f"Dividing by {a} gives {variable} = {x}."
    )


def _quadratic(draw: random.Random) -> str:
    p, q = draw.randint(-9, 9), draw.randint(-9, 9)
    equation = _polynomial([p * q, -(p + q), 1])
    factors = f"({_polynomial([-p, 1])})({_polynomial([-q, 1])})"
    if draw.random() < 0.5:
        roots = f"x = {p} or x = {q}" if p != q else f"the double root x = {p}"
        return f"Solve the equation {equation} = 0.\nIt factors as {factors} = 0, so the solutions are {roots}."
    discriminant = (p + q) ** 2 - 4 * p * q
    return (
        f"Find the discriminant and the roots of {equation}.\nWith a = 1, b = {-(p + q)}, c = {p * q} the "
        f"discriminant is "
        f"b^2 - 4ac = {discriminant}, whose square root is {abs(p - q)}. The quadratic formula gives x = "
        f"{max(p, q)} and "
        f"x = {min(p, q)}."
    )


def _linear_system(draw: random.Random) -> str:
    x, y = draw.randint(-8, 8), draw.randint(-8, 8)
    a, b, c = draw.randint(1, 6), draw.randint(1, 6), draw.randint(1, 6)
    # So large that the determinant ad - bc is positive, and the system has one solution.
    d = draw.randint(1, 6) + b * c // a + 1
    top, bottom = a * x + b * y, c * x + d * y
    determinant = a * d - b * c
    return (
        f"Solve the system {a}x + {b}y = {top}, {c}x + {d}y = {bottom}.\nThe determinant is {a} * {d} - {b} * {c} = "
        f"{determinant}. By the rule of Cramer x = ({top} * {d} - {b} * {bottom}) / {determinant} = {x} and "
        f"y = ({a} * {bottom} - {c} * {top}) / {determinant} = {y}."
    )


def _expand(draw: random.Random) -> str:
    left, right = _draw_polynomial(draw, 1), _draw_polynomial(draw, draw.choice((1, 2)))
    product = [0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return (
        f"Expand ({_polynomial(left)})({_polynomial(right)}).\nMultiply each term of the first bracket with "
        f"each term "
        f"of the second and collect equal powers: {_polynomial(product)}."
    )


def _logarithm(draw: random.Random) -> str:
    base, power = draw.randint(2, 7), draw.randint(2, 5)
    return (
        f"Solve {base}^x = {base**power}.\nTake logarithms to the base {base}: x = log({base**power}) / log({base}). "
        f"Since {base}^{power} = {base**power}, x = {power}."
    )


def _inequality(draw: random.Random) -> str:
    a, bound, b = draw.randint(2, 9), draw.randint(-9, 9), draw.randint(-15, 15)
    return (
        f"For which x does {_polynomial([b, -a])} > {b - a * bound} hold?\nMoving the constant gives -{a}x "
        f"> {-a * bound}. "
        f"Dividing by -{a} turns the sign around: x < {bound}."
    )


def _power_rule(draw: random.Random) -> str:
    coefficients = _draw_polynomial(draw, draw.randint(2, 5))
    name = draw.choice("fgh")
    first = _derivative(coefficients)
    text = (
        f"Differentiate {name}(x) = {_polynomial(coefficients)}.\nBy the power rule, the derivative of x^n "
        f"is n x^(n-1). "
        f"Term by term, {name}'(x) = {_polynomial(first)}."
    )
    if draw.random() < 0.5:
        text += f" The second derivative is {name}''(x) = {_polynomial(_derivative(first))}."
    return text


def _product_rule(draw: random.Random) -> str:
    function, derivative = draw.choice((("sin(x)", "cos(x)"), ("e^x", "e^x"), ("ln(x)", "1/x"), ("cos(x)", "-sin(x)")))
    u = _draw_polynomial(draw, draw.choice((1, 2)))
    return (
        f"Find the derivative of y = ({_polynomial(u)}) {function}.\nUse the product rule (uv)' = u'v + uv' with "
        f"u = {_polynomial(u)} and v = {function}. Here u' = {_polynomial(_derivative(u))} and v' = {derivative}, so "
        f"y' = ({_polynomial(_derivative(u))}) {function} + ({_polynomial(u)}) ({derivative})."
    )


def _chain_rule(draw: random.Random) -> str:
    inner, n = _draw_polynomial(draw, draw.choice((1, 2))), draw.randint(2, 9)
    inside, slope = _polynomial(inner), _polynomial(_derivative(inner))
    if draw.random() < 0.5:
        return (
            f"Differentiate y = ({inside})^{n}.\nLet u = {inside}; then y = u^{n} and dy/du = {n}u^{n - 1}. "
            f"By the chain "
            f"rule dy/dx = dy/du * du/dx = {n}({inside})^{n - 1} * ({slope})."
        )
    outer, derivative = draw.choice((("sin", "cos"), ("exp", "exp")))
    return (
        f"Differentiate y = {outer}({inside}).\nThe outer function has derivative {derivative}(u) and the inner one "
        f"{slope}, so by the chain rule y' = {derivative}({inside}) * ({slope})."
    )


def _stationary_point(draw: random.Random) -> str:
    a, x, c = draw.choice((-3, -2, -1, 1, 2, 3)), draw.randint(-7, 7), draw.randint(-9, 9)
    coefficients = [c, -2 * a * x, a]
    value, kind = a * x * x - 2 * a * x * x + c, "minimum" if a > 0 else "maximum"
    return (
        f"Find the extreme value of f(x) = {_polynomial(coefficients)}.\nThe derivative "
        f"{_polynomial(_derivative(coefficients))} "
        f"vanishes at x = {x}. The second derivative is {2 * a}, so this is a {kind}, and f({x}) = {value}."
    )


def _antiderivative(draw: random.Random) -> str:
    coefficients = _draw_polynomial(draw, draw.randint(1, 4))
    # Fractions, since floats would show 0.333 where an answer has 1/3.
    primitive = [Fraction(0), *(Fraction(v, i + 1) for i, v in enumerate(coefficients))]
    return (
        f"Find the indefinite integral of {_polynomial(coefficients)} dx.\nRaising each power by one and "
        f"dividing by the new "
        f"exponent gives {_polynomial(primitive)} + C, where C is a constant."
    )


def _definite_integral(draw: random.Random) -> str:
    coefficients = _draw_polynomial(draw, draw.randint(1, 3))
    low = draw.randint(-2, 2)
    high = low + draw.randint(1, 4)
    primitive = [Fraction(0), *(Fraction(v, i + 1) for i, v in enumerate(coefficients))]
    top = sum((v * high**i for i, v in enumerate(primitive)), Fraction(0))
    bottom = sum((v * low**i for i, v in enumerate(primitive)), Fraction(0))
    return (
        f"Evaluate the integral of {_polynomial(coefficients)} from x = {low} to x = {high}.\nAn antiderivative is "
        f"F(x) = {_polynomial(primitive)}. By the fundamental theorem the value is F({high}) - F({low}) = "
        f"{top} - ({bottom}) = {top - bottom}."
    )


def _substitution(draw: random.Random) -> str:
    a, b, n = draw.randint(2, 9), draw.randint(-9, 9), draw.randint(2, 7)
    inside = _polynomial([b, a])
    return (
        f"Integrate ({inside})^{n} with respect to x.\nSubstitute u = {inside}, so du = {a} dx. The integral becomes "
        f"(1/{a}) times the integral of u^{n} du, which is ({inside})^{n + 1} / {a * (n + 1)} + C."
    )


def _by_parts(draw: random.Random) -> str:
    a = draw.randint(2, 9)
    return (
        f"Integrate x e^({a}x) by parts.\nTake u = x and dv = e^({a}x) dx, so du = dx and v = e^({a}x)/{a}. "
        f"Then the integral "
        f"is x e^({a}x)/{a} - e^({a}x)/{a * a} + C."
    )


def _matrix(rows: Sequence[Sequence[int]]) -> str:
    return "[" + ", ".join("[" + ", ".join(map(str, row)) + "]" for row in rows) + "]"


def _draw_matrix(draw: random.Random, size: int) -> list[list[int]]:
    return [[draw.randint(-6, 9) for _ in range(size)] for _ in range(size)]


def _determinant(draw: random.Random) -> str:
    (a, b), (c, d) = rows = _draw_matrix(draw, 2)
    value = a * d - b * c
    tail = f"The inverse exists, since {value} is not zero." if value else "The matrix is singular."
    return (
        f"Compute the determinant of A = {_matrix(rows)}.\ndet A = ad - bc = ({a})({d}) - ({b})({c}) = "
        f"{a * d} - ({b * c}) = {value}. {tail}"
    )


def _matrix_product(draw: random.Random) -> str:
    left, right = _draw_matrix(draw, 2), _draw_matrix(draw, 2)
    product = [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*right, strict=True)] for row in left
    ]
    return (
        f"Multiply the matrices A = {_matrix(left)} and B = {_matrix(right)}.\nThe entry in row i and "
        f"column j is the dot "
        f"product of row i of A with column j of B. The first entry is ({left[0][0]})({right[0][0]}) + "
        f"({left[0][1]})({right[1][0]}) = {product[0][0]}, and AB = {_matrix(product)}."
    )


def _trace(draw: random.Random) -> str:
    size = draw.choice((2, 3))
    rows = _draw_matrix(draw, size)
    diagonal = [rows[i][i] for i in range(size)]
    return (
        f"Find the trace and the transpose of M = {_matrix(rows)}.\nThe trace is the sum of the diagonal, "
        f"{' + '.join(f'({v})' for v in diagonal)} = {sum(diagonal)}. Swapping rows and columns gives the transpose "
        f"{_matrix(list(zip(*rows, strict=True)))}."
    )


def _eigenvalues(draw: random.Random) -> str:
    a, b, d = draw.randint(-6, 9), draw.randint(1, 9), draw.randint(-6, 9)
    return (
        f"Find the eigenvalues of the triangular matrix T = {_matrix([[a, b], [0, d]])}.\nThe "
        f"characteristic polynomial is "
        f"det(T - t I) = ({a} - t)({d} - t), so the eigenvalues are the diagonal entries {a} and {d}."
    )


def _dot_product(draw: random.Random) -> str:
    u, v = ([draw.randint(-5, 7) for _ in range(3)] for _ in range(2))
    value = sum(a * b for a, b in zip(u, v, strict=True))
    relation = "orthogonal" if value == 0 else "not orthogonal"
    return (
        f"Are the vectors u = {tuple(u)} and v = {tuple(v)} orthogonal?\nTheir dot product is "
        f"{' + '.join(f'({a})({b})' for a, b in zip(u, v, strict=True))} = {value}, so they are {relation}."
    )


def _arithmetic_sequence(draw: random.Random) -> str:
    first, step, n = draw.randint(-10, 30), draw.randint(2, 12), draw.randint(8, 60)
    shown = ", ".join(str(first + step * i) for i in range(4))
    last = first + step * (n - 1)
    return (
        f"Find the term number {n} and the sum of the first {n} terms of {shown}, ...\nThe common "
        f"difference is {step}, so the "
        f"term is {first} + {n - 1} * {step} = {last}. The sum is {n} * ({first} + {last}) / 2 = "
        f"{n * (first + last) // 2}."
    )


def _geometric_series(draw: random.Random) -> str:
    # One over a whole number is below 1, so that the series converges.
    first, ratio = draw.randint(1, 12), Fraction(1, draw.randint(2, 9))
    return (
        f"Find the sum of the geometric series with first term {first} and ratio {ratio}.\nSince the ratio "
        f"is less than one in "
        f"absolute value, the series converges to {first} / (1 - {ratio}) = {first / (1 - ratio)}."
    )


def _limit(draw: random.Random) -> str:
    root, other = draw.randint(1, 9), draw.randint(-9, 9)
    # Numerator and denominator share the root, so that the limit is 0 / 0 before it is cancelled.
    top = _polynomial([root * other, -(root + other), 1])
    return (
        f"Find the limit of ({top}) / ({_polynomial([-root, 1])}) as x tends to {root}.\nThe numerator factors as "
        f"({_polynomial([-root, 1])})({_polynomial([-other, 1])}). Cancelling the common factor leaves "
        f"{_polynomial([-other, 1])}, which tends to {root - other}."
    )


ALGEBRA = (_linear_equation, _quadratic, _linear_system, _expand, _logarithm, _inequality)
DERIVATIVES = (_power_rule, _product_rule, _chain_rule, _stationary_point)
INTEGRALS = (_antiderivative, _definite_integral, _substitution, _by_parts)
MATRICES = (_determinant, _matrix_product, _trace, _eigenvalues, _dot_product)
SEQUENCES = (_arithmetic_sequence, _geometric_series, _limit)
