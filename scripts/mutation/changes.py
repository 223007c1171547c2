"""Small changes of a source: Cosmic Ray's operators for signs, constants and comparisons, three of our own, and a seeded sample.

Left alone: annotations, decorators, what stands in a `raise` (messages), `__all__`, and what only `python -m` runs. No operator
touches a string or a docstring.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider

BINARY = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul", "FloorDiv_Mul", "Mod_FloorDiv", "BitOr_BitAnd",
          "BitAnd_BitOr", "BitXor_BitAnd", "LShift_RShift", "RShift_LShift")
COMPARISON = ("Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt", "Eq_NotEq", "NotEq_Eq",
              "Is_IsNot", "IsNot_Is")
UNARY = ("Delete_USub", "Delete_Not", "Delete_Invert")
OTHERS = ("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
          "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop")
EXPRESSIONS = ("arith_expr", "term", "power", "shift_expr", "expr", "and_expr", "xor_expr")  # where a sign joins two values
LEFT_ALONE = ("annassign", "tfpdef", "decorator", "raise_stmt", "import_from")


class DropTerm(Operator):
    """Takes a summand or a factor away: `a + b` becomes `a`."""

    def mutation_positions(self, node):
        for sign, value in self._terms(node):
            yield sign.start_pos, value.end_pos

    def mutate(self, node, index):
        gone = list(self._terms(node))[index]
        node.children = [child for child in node.children if child not in gone]
        return node

    @staticmethod
    def _terms(node) -> Iterator:
        if node.type in ("arith_expr", "term"):
            yield from ((s, v) for s, v in zip(node.children[1::2], node.children[2::2]) if s.value in "+-*/")

    @classmethod
    def examples(cls):
        return ()


class DropTranspose(Operator):
    """Takes `.T` away."""

    def mutation_positions(self, node):
        if node.type == "trailer" and node.get_code() == ".T":
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        return None

    @classmethod
    def examples(cls):
        return ()


class TurnAssignment(Operator):
    """`+=` becomes `-=`, `*=` becomes `/=`, and back."""

    TURNED = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "//=": "*=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<="}

    def mutation_positions(self, node):
        if node.type == "operator" and node.value in self.TURNED:
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        node.value = self.TURNED[node.value]
        return node

    @classmethod
    def examples(cls):
        return ()


def _operators() -> dict[str, Operator]:
    """By name: those of Cosmic Ray that a formula cares for, and ours."""
    known = OperatorProvider()
    names = [f"ReplaceBinaryOperator_{n}" for n in BINARY] + [f"ReplaceComparisonOperator_{n}" for n in COMPARISON]
    names += [f"ReplaceUnaryOperator_{n}" for n in UNARY] + list(OTHERS)
    return {name: known[name]() for name in names} | {ours.__name__: ours() for ours in (DropTerm, DropTranspose, TurnAssignment)}


@dataclass(frozen=True)
class Change:
    """One change of one module.

    Attributes:
        module: its dotted name below `ntputils`.
        function: the function or method, `Class` or empty where it is none.
        before: the lines that change, stripped and joined.
        after: what they become.
        nth: which of the function's equal lines it is, from 1.
        line: where, in the source as it stands.
        text: the changed source.
        diff: as a reader wants it.
    """

    module: str
    function: str
    before: str
    after: str
    nth: int
    line: int
    text: str
    diff: str

    @property
    def key(self) -> str:
        """What stays the same while other lines are edited."""
        return f"{self.module}: {self.function}: {self.before} -> {self.after}" + f" ({self.nth})" * (self.nth > 1)


@dataclass(frozen=True)
class _Site:
    """Where an operator can act: `rank` is its place in the sample, a hash of what it says and not of where it stands."""

    operator: str
    occurrence: int
    function: str
    nth: int
    line: int
    rank: str


def _left_alone(node) -> bool:
    """Whether a node stands where nothing is changed."""
    while node is not None:
        if node.type in LEFT_ALONE or (node.type == "if_stmt" and node.children[1].get_code().strip() == '__name__ == "__main__"'):
            return True
        if node.type == "expr_stmt" and node.children[0].get_code().strip() == "__all__":
            return True
        if getattr(node.parent, "type", "") == "funcdef" and node.parent.annotation is node:
            return True
        node = node.parent
    return False


def functions(source: str) -> dict[str, tuple[range, frozenset[int]]]:
    """For each function and method outside others: the lines from its first decorator on, and those of its body."""
    found = {}

    def enter(node, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                enter(child, f"{prefix}{child.name}.")
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                body = child.body[bool(ast.get_docstring(child)):]
                lines = {n for statement in body for n in range(statement.lineno, statement.end_lineno + 1)}
                found[prefix + child.name] = range(first, child.end_lineno + 1), frozenset(lines)
            else:
                enter(child, prefix)

    enter(ast.parse(source), "")
    return found


def _sites(module: str, source: str, seed: int) -> list[_Site]:
    """All places where an operator can act, in the order of the sample."""
    lines, where = source.splitlines(), {}
    for name, (span, _) in functions(source).items():
        where |= dict.fromkeys(span, name)
    equal, nth = Counter(), {}
    for number, line in enumerate(lines, 1):
        equal[where.get(number, ""), line.strip()] += 1
        nth[number] = equal[where.get(number, ""), line.strip()]
    sites, occurrences, seen, operators = [], Counter(), Counter(), _operators()
    for node in ast_nodes(get_ast(source)):
        alone = None
        for name, operator in operators.items():
            for start, _ in operator.mutation_positions(node):
                occurrences[name] += 1
                alone = _left_alone(node) if alone is None else alone
                if alone or (name.startswith("ReplaceBinary") and node.parent.type not in EXPRESSIONS):
                    continue
                said = (module, where.get(start[0], ""), lines[start[0] - 1].strip(), nth[start[0]], name)
                seen[said] += 1
                rank = hashlib.sha256(repr((seed, *said, seen[said])).encode()).hexdigest()
                sites.append(_Site(name, occurrences[name] - 1, said[1], said[3], start[0], rank))
    return sorted(sites, key=lambda site: site.rank)


def _apply(module: str, source: str, site: _Site) -> Change | None:
    """Makes the change; None where the outcome is no Python, or the same program."""
    text = mutate_code(source, _operators()[site.operator], site.occurrence)
    try:
        if ast.dump(ast.parse(text)) == ast.dump(ast.parse(source)):
            return None
    except SyntaxError:
        return None
    old, new = source.splitlines(), text.splitlines()
    first = next(i for i, (a, b) in enumerate(zip(old, new)) if a != b)
    last = next(i for i, (a, b) in enumerate(zip(old[::-1], new[::-1])) if a != b)
    before, after = (" ".join(line.strip() for line in lines[first:len(lines) - last]) for lines in (old, new))
    diff = "\n".join(difflib.unified_diff(old, new, f"ntputils/{module}", f"changed, line {site.line}", lineterm="", n=2))
    return Change(module, site.function, before, after, site.nth, site.line, text, diff)


def sample(module: str, source: str, size: int, seed: int) -> tuple[int, list[Change]]:
    """Draws changes of a module.

    Args:
        module: its dotted name below `ntputils`.
        source: its text.
        size: how many changes are wanted.
        seed: of the draw.

    Returns:
        How many places there are where an operator can act, and `size` different changes, or all where there are fewer.
        An edit elsewhere in the module leaves the others in the sample.
    """
    sites, drawn = _sites(module, source, seed), {}
    for site in sites:
        if len(drawn) == size:
            break
        change = _apply(module, source, site)
        if change is not None and change.text not in drawn:
            drawn[change.text] = change
    return len(sites), list(drawn.values())
