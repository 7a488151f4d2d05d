"""Generated mathematics: worksheets of problems with worked answers, seeded and free of copyright.

The text is part of the bundled sample: any change of a draw, or of a word, changes the tokens it was made from.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

from saegeom_data.sample import algebra

Problem = Callable[[random.Random], str]

_NAMES = (  # noqa: SIM905 - a word per name reads best
    "Amara Ben Chen Divya Elena Farid Grace Hiro Ines Jonas Keiko Luca Maya Noah Olga Priya Quentin "
    "Rosa Samir Tomas Uma Victor Wen Yusuf Zoe"
).split()
_GOODS = (  # noqa: SIM905 - as above
    "apples notebooks pencils tickets stamps marbles oranges candles bricks postcards batteries "
    "loaves buttons seedlings cables"
).split()
_OPENINGS = (
    "Show every step of the working.",
    "Answers may be left as fractions in lowest terms.",
    "Check each result by substituting it back.",
    "No calculator is needed.",
    "State the rule that is used at each step.",
)


def worksheets(documents: int, seed: int, problems: int = 16) -> Iterator[dict[str, str]]:
    """Yield worksheets of mathematics with worked answers.

    Parameters
    ----------
    documents
        How many worksheets.
    seed
        Seed of the whole collection: the same seed gives the same text.
    problems
        Problems per worksheet.

    Yields
    ------
    dict
        ``document_id`` and ``text``.

    Examples
    --------
    >>> first = next(worksheets(1, seed=0))
    >>> first["document_id"]
    'mathematics/0000'
    """
    # Sorted, so that the order of the table cannot change what is drawn.
    topics = sorted(TOPICS)
    for index in range(documents):
        # By worksheet: one of them keeps its text however many others are asked for.
        draw = random.Random(f"{seed}/{index}")  # noqa: S311 - no secret, only text
        chosen = draw.sample(topics, k=draw.choice((1, 2, 2, 3)))
        heading = " and ".join(chosen)
        lines = [f"Worksheet {index + 1}: {heading}. {draw.choice(_OPENINGS)}"]
        for number in range(1, problems + 1):
            problem = draw.choice(TOPICS[draw.choice(chosen)])
            lines.append(f"{draw.choice(('Problem', 'Exercise', 'Question'))} {number}. {problem(draw)}")
        yield {"document_id": f"mathematics/{index:04d}", "text": "\n\n".join(lines)}


def _sum_in_columns(draw: random.Random) -> str:
    numbers = [draw.randint(12, 9999) for _ in range(draw.choice((2, 2, 3)))]
    total, steps = numbers[0], []
    for number in numbers[1:]:
        steps.append(f"{total} + {number} = {total + number}")
        total += number
    asked = " + ".join(map(str, numbers))
    return f"Add {asked}.\nAnswer: {'; '.join(steps)}. The sum is {total}."


def _long_multiplication(draw: random.Random) -> str:
    left, right = draw.randint(12, 999), draw.randint(11, 99)
    tens, units = divmod(right, 10)
    parts = f"{left} * {tens * 10} = {left * tens * 10} and {left} * {units} = {left * units}"
    return (
        f"Multiply {left} by {right}.\nSplit {right} = {tens * 10} + {units}. Then {parts}. "
        f"Adding the parts, {left} * {right} = {left * right}."
    )


def _division(draw: random.Random) -> str:
    divisor, quotient = draw.randint(3, 48), draw.randint(7, 400)
    # Quotient and remainder are drawn first, so that both are whole.
    rest = draw.randrange(divisor)
    number = divisor * quotient + rest
    tail = "so the division is exact" if rest == 0 else f"so the remainder is {rest}"
    return (
        f"Divide {number} by {divisor}.\nSince {divisor} * {quotient} = {divisor * quotient} "
        f"and {number} - {divisor * quotient} = {rest}, {tail}: {number} = {divisor} * {quotient} + {rest}."
    )


def _fractions(draw: random.Random) -> str:
    first = Fraction(draw.randint(1, 11), draw.randint(2, 12))
    second = Fraction(draw.randint(1, 11), draw.randint(2, 12))
    common = math.lcm(first.denominator, second.denominator)
    a, b = first * common, second * common
    if draw.random() < 0.5:
        return (
            f"Compute {first} + {second}.\nThe common denominator is {common}: {a}/{common} + {b}/{common} = "
            f"{a + b}/{common}, which is {first + second} in lowest terms."
        )
    return (
        f"Compute ({first}) / ({second}).\nDividing by a fraction is multiplying by its reciprocal: "
        f"({first}) * ({1 / second}) = {first / second}."
    )


def _percentage(draw: random.Random) -> str:
    price, rate = draw.randint(4, 90) * 10, draw.choice((5, 10, 12, 15, 20, 25, 30, 40))
    change = Fraction(price * rate, 100)
    if draw.random() < 0.5:
        return (
            f"A price of {price} dollars rises by {rate} percent. What is the new price?\n"
            f"{rate} percent of {price} is {price} * {rate} / 100 = {_decimal(change)}. "
            f"The new price is {price} + {_decimal(change)} = {_decimal(price + change)} dollars."
        )
    return (
        f"A coat of {price} dollars is sold at a discount of {rate} percent. What does it cost?\n"
        f"The discount is {_decimal(change)} dollars, so the coat costs {_decimal(price - change)} dollars."
    )


def _shopping(draw: random.Random) -> str:
    name, other = draw.sample(_NAMES, k=2)
    goods = draw.choice(_GOODS)
    count, price, given = draw.randint(3, 24), draw.randint(2, 15), draw.randint(2, 30)
    return (
        f"{name} buys {count} {goods} at {price} dollars each and gives {other} {given} dollars. "
        f"How much money has {name} spent and given away in all?\n"
        f"The {goods} cost {count} * {price} = {count * price} dollars. Together with the {given} dollars "
        f"for {other} this makes {count * price} + {given} = {count * price + given} dollars."
    )


def _journey(draw: random.Random) -> str:
    speed, hours = draw.randint(20, 120), draw.randint(2, 9)
    name, vehicle = draw.choice(_NAMES), draw.choice(("train", "bus", "cyclist", "ship", "lorry"))
    if draw.random() < 0.5:
        return (
            f"A {vehicle} travels at {speed} kilometres an hour for {hours} hours. How far does it go?\n"
            f"Distance is speed times time: {speed} * {hours} = {speed * hours} kilometres."
        )
    return (
        f"{name} covers {speed * hours} kilometres in {hours} hours. What is the average speed?\n"
        f"Speed is distance over time: {speed * hours} / {hours} = {speed} kilometres an hour."
    )


def _ages(draw: random.Random) -> str:
    name, other = draw.sample(_NAMES, k=2)
    young, gap = draw.randint(4, 30), draw.randint(2, 25)
    total = 2 * young + gap
    return (
        f"{name} is {gap} years older than {other}. The sum of their ages is {total}. How old are they?\n"
        f"Let x be the age of {other}. Then x + (x + {gap}) = {total}, so 2x = {total - gap} and "
        f"x = {young}. Hence {other} is {young} and {name} is {young + gap} years old."
    )


def _work_together(draw: random.Random) -> str:
    name, other = draw.sample(_NAMES, k=2)
    a, b = draw.randint(2, 12), draw.randint(2, 12)
    rate = Fraction(1, a) + Fraction(1, b)
    return (
        f"{name} paints a fence in {a} hours and {other} paints it in {b} hours. How long do they need together?\n"
        f"In one hour they paint 1/{a} + 1/{b} = {rate} of the fence, so together they need "
        f"1 / ({rate}) = {1 / rate} hours."
    )


def _greatest_divisor(draw: random.Random) -> str:
    common = draw.randint(2, 24)
    a, b = common * draw.randint(3, 40), common * draw.randint(3, 40)
    asked, steps = f"gcd({a}, {b})", []
    while b:
        steps.append(f"{a} = {b} * {a // b} + {a % b}")
        a, b = b, a % b
    return f"Find {asked} with the algorithm of Euclid.\n{'. '.join(steps)}. Therefore {asked} = {a}."


def _factorise(draw: random.Random) -> str:
    # Made from its factors, so that all of them are small enough to find by hand.
    number = math.prod(draw.choices((2, 2, 3, 3, 5, 7, 11, 13, 17), k=draw.randint(2, 5)))
    rest, steps, factors = number, [], []
    for prime in (2, 3, 5, 7, 11, 13, 17):
        while rest % prime == 0:
            steps.append(f"{rest} / {prime} = {rest // prime}")
            factors.append(str(prime))
            rest //= prime
    return (
        f"Write {number} as a product of primes.\nDivide by the smallest prime as long as possible: "
        f"{', '.join(steps)}. So {number} = {' * '.join(factors)}."
    )


def _congruence(draw: random.Random) -> str:
    base, exponent, modulus = draw.randint(2, 12), draw.randint(3, 20), draw.randint(5, 23)
    value, steps = 1, []
    # Five steps are enough to see the pattern; exponents go up to 20.
    for power in range(1, min(exponent, 5) + 1):
        value = value * base % modulus
        steps.append(f"{base}^{power} = {value} (mod {modulus})")
    return (
        f"Find the remainder of {base}^{exponent} on division by {modulus}.\nThe first powers are "
        f"{', '.join(steps)}. Continuing, {base}^{exponent} = {pow(base, exponent, modulus)} (mod {modulus})."
    )


def _prime_test(draw: random.Random) -> str:
    number = draw.randint(50, 997)
    root = math.isqrt(number)
    divisor = next((d for d in range(2, root + 1) if number % d == 0), None)
    if divisor is None:
        reason = f"None of the primes up to {root} divides {number}, so {number} is prime."
    else:
        reason = f"{number} = {divisor} * {number // divisor}, so {number} is not prime."
    return f"Is {number} a prime number?\nIt is enough to try primes up to the square root, about {root}. {reason}"


def _probability(draw: random.Random) -> str:
    red, blue = draw.randint(2, 9), draw.randint(2, 9)
    total = red + blue
    both = Fraction(red * (red - 1), total * (total - 1))
    return (
        f"An urn holds {red} red and {blue} blue balls. Two are drawn without replacement. "
        f"What is the probability that both are red?\nThe first is red with probability {red}/{total} and then the "
        f"second with probability {red - 1}/{total - 1}. The product is {both}."
    )


def _choices(draw: random.Random) -> str:
    n = draw.randint(5, 14)
    k = draw.randint(2, min(4, n - 2))
    return (
        f"In how many ways can a committee of {k} be chosen from {n} people?\nThe order does not matter, so "
        f"the number "
        f"is the binomial coefficient C({n}, {k}) = {n}! / ({k}! * {n - k}!) = {math.comb(n, k)}."
    )


def _statistics(draw: random.Random) -> str:
    # An odd number of values has one in the middle.
    values = [draw.randint(1, 40) for _ in range(draw.choice((5, 7)))]
    ordered = sorted(values)
    mean = Fraction(sum(values), len(values))
    return (
        f"Find the mean and the median of {', '.join(map(str, values))}.\nThe sum is {sum(values)} and there are "
        f"{len(values)} values, so the mean is {mean}. In order they are {', '.join(map(str, ordered))}; "
        f"the middle one, {ordered[len(ordered) // 2]}, is the median."
    )


def _triangle(draw: random.Random) -> str:
    # Euclid's formula: whole sides for all m > n > 0.
    m = draw.randint(2, 7)
    n = draw.randint(1, m - 1)
    a, b, c = m * m - n * n, 2 * m * n, m * m + n * n
    return (
        f"A right triangle has legs {a} and {b}. Find its hypotenuse and its area.\nBy the theorem of Pythagoras "
        f"c^2 = {a}^2 + {b}^2 = {a * a} + {b * b} = {c * c}, so c = {c}. The area is {a} * {b} / 2 = {a * b // 2}."
    )


def _circle(draw: random.Random) -> str:
    radius, height = draw.randint(2, 20), draw.randint(2, 15)
    return (
        f"A cylinder has radius {radius} and height {height}. Find the volume and the area of its "
        f"base.\nThe base has area "
        f"pi r^2 = {radius * radius} pi, and the volume is base times height, {radius * radius} pi * {height} = "
        f"{radius * radius * height} pi, about {math.pi * radius * radius * height:.1f}."
    )


def _decimal(value: Fraction) -> str:
    return f"{float(value):g}"


TOPICS: dict[str, tuple[Problem, ...]] = {
    "arithmetic": (_sum_in_columns, _long_multiplication, _division, _fractions, _percentage),
    "word problems": (_shopping, _journey, _ages, _work_together, _percentage),
    "number theory": (_greatest_divisor, _factorise, _congruence, _prime_test),
    "probability": (_probability, _choices, _statistics),
    "geometry": (_triangle, _circle),
    "algebra": algebra.ALGEBRA,
    "derivatives": algebra.DERIVATIVES,
    "integrals": algebra.INTEGRALS,
    "matrices": algebra.MATRICES,
    "sequences": algebra.SEQUENCES,
}
