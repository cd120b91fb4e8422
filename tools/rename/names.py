"""Where each identifier of a module stands, what it is, and the scope that binds it (Python 3.12+)."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass, field


@dataclass
class Scope:
    node: ast.AST | None
    kind: str  # module, class, function, comp
    qual: str
    parent: Scope | None
    bound: set[str] = field(default_factory=set)
    params: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)  # global or nonlocal
    iters: dict[str, str] = field(default_factory=dict)  # loop variable -> last name of its iterable
    owner: str = ""  # the name by which a function is called
    number: int = 0
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)  # local name -> (module, name)

    def resolve(self, name: str) -> Scope | None:
        scope: Scope | None = self
        first = True
        while scope is not None:
            if name in scope.outer:
                first = False
                scope = scope.parent
                continue
            if name in scope.bound and (first or scope.kind != "class"):
                return scope
            first = False
            scope = scope.parent
        return None


@dataclass
class Occurrence:
    line: int
    col: int  # characters
    name: str
    kind: str  # local, param, global, attr, field, def, method, kwarg, import, free, token, text
    scope: Scope | None  # the scope that binds it (local, param), else the one it stands in
    callee: str = ""
    stands: Scope | None = None  # the scope it stands in
    target: tuple[str, str] | None = None  # of an import, or an attribute of a module: (module, name)


def last_name(node: ast.AST) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call():
            inner = last_name(node.func)
            if inner in {"enumerate", "sorted", "reversed", "list", "tuple", "set", "zip", "iter", "items",
                         "values", "chain", "cast", "batched", "islice", "product"} and node.args:
                return last_name(node.args[0])
            if inner in {"items", "values", "keys", "copy"} and isinstance(node.func, ast.Attribute):
                return last_name(node.func.value)
            return inner
        case ast.Subscript():
            return last_name(node.value)
        case ast.BinOp():
            return last_name(node.left)
        case ast.Starred():
            return last_name(node.value)
        case ast.BoolOp():
            return last_name(node.values[0])
        case ast.IfExp():
            return last_name(node.body)
        case ast.GeneratorExp() | ast.ListComp() | ast.SetComp():
            return last_name(node.generators[0].iter)
        case ast.Await() | ast.YieldFrom():
            return last_name(node.value)
    return type(node).__name__


class Module:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.raw = [line.encode() for line in self.lines]
        self.tree = ast.parse(text)
        self.tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        self.at = {t.start: t for t in self.tokens if t.type == tokenize.NAME}
        self.order = sorted(self.at)
        self.strings: list[tuple[ast.Constant, str, Scope, str]] = []  # node, kind, scope, more
        self._stands: Scope | None = None
        self.found: dict[tuple[int, int], Occurrence] = {}
        self.scopes: list[Scope] = []
        self.top = self._scope(self.tree, "module", "", None)
        self._bind(self.tree.body, self.top)
        for node in self.tree.body:
            self._visit(node, self.top)
        for place, token in self.at.items():
            if place not in self.found:
                self._add(place, token.string, "token", self.top)

    def _scope(self, node: ast.AST, kind: str, qual: str, parent: Scope | None) -> Scope:
        scope = Scope(node, kind, qual, parent, number=len(self.scopes))
        self.scopes.append(scope)
        return scope

    def _col(self, line: int, offset: int) -> int:
        return len(self.raw[line - 1][:offset].decode())

    def _add(self, place: tuple[int, int], name: str, kind: str, scope: Scope, callee: str = "") -> None:
        self.found[place] = Occurrence(*place, name, kind, scope, callee, self._stands)

    def _after(self, line: int, offset: int, name: str) -> tuple[int, int] | None:
        import bisect

        place = (line, self._col(line, offset))
        for spot in self.order[bisect.bisect_left(self.order, place):]:
            if self.at[spot].string == name:
                return spot
        return None

    # Binding: which names a block makes its own.
    def _bind(self, body: list, scope: Scope) -> None:
        for node in body:
            self._bind_node(node, scope)

    def _target(self, node: ast.AST, scope: Scope, iterable: str = "") -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                scope.bound.add(inner.id)
                if iterable:
                    scope.iters.setdefault(inner.id, iterable)

    def _bind_node(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                scope.bound.add(node.name)
                for inner in [*node.decorator_list]:
                    self._bind_node(inner, scope)
                return
            case ast.Lambda():
                return
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for inner in ast.walk(node):
                    if isinstance(inner, ast.NamedExpr):
                        scope.bound.add(inner.target.id)
                return
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    local = alias.asname or alias.name.split(".")[0]
                    scope.bound.add(local)
                    if isinstance(node, ast.ImportFrom):
                        scope.imports[local] = (node.module or "", alias.name)
                    else:
                        scope.imports[local] = (alias.name if alias.asname else local, "")
                return
            case ast.Global() | ast.Nonlocal():
                scope.outer.update(node.names)
                return
            case ast.For() | ast.AsyncFor():
                self._target(node.target, scope, last_name(node.iter))
            case ast.Name() if isinstance(node.ctx, ast.Store | ast.Del):
                scope.bound.add(node.id)
            case ast.ExceptHandler() if node.name:
                scope.bound.add(node.name)
            case ast.MatchAs() | ast.MatchStar() if node.name:
                scope.bound.add(node.name)
            case ast.MatchMapping() if node.rest:
                scope.bound.add(node.rest)
        for inner in ast.iter_child_nodes(node):
            self._bind_node(inner, scope)

    # Visiting: what stands where.
    def _name(self, name: str, place: tuple[int, int], scope: Scope) -> None:
        bound = scope.resolve(name)
        if bound is None:
            self._add(place, name, "free", scope)
        elif bound.kind == "module":
            self._add(place, name, "global", bound)
        elif bound.kind == "class":
            self._add(place, name, "field", bound)
        else:
            self._add(place, name, "param" if name in bound.params else "local", bound)

    def _function(self, node, scope: Scope, name: str) -> None:
        qual = f"{scope.qual}.{name}".lstrip(".")
        inner = self._scope(node, "function", qual, scope)
        inner.owner = name
        if name == "__init__" and scope.kind == "class":
            inner.owner = scope.qual.rpartition(".")[2]
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for extra in (arguments.vararg, arguments.kwarg):
            if extra:
                every.append(extra)
        for argument in every:
            inner.bound.add(argument.arg)
            inner.params.add(argument.arg)
        body = node.body if isinstance(node.body, list) else [node.body]
        self._bind(body, inner)
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and last_name(decorator.func) == "parametrize":
                self._quoted(decorator.args[0], inner, "params")
        for argument in every:
            place = (argument.lineno, self._col(argument.lineno, argument.col_offset))
            self._add(place, argument.arg, "param", inner)
            self.found[place].stands = inner
            if argument.annotation:
                self._quoted(argument.annotation, scope, "annotation")
                self._visit(argument.annotation, scope)
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                self._visit(default, scope)
        for statement in body:
            self._visit(statement, inner)

    def _visit(self, node: ast.AST, scope: Scope) -> None:
        before, self._stands = self._stands, scope
        try:
            self._visit_node(node, scope)
        finally:
            self._stands = before

    def _quoted(self, node: ast.AST, scope: Scope, kind: str, more: str = "") -> None:
        """Remember strings that name things."""
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                self.strings.append((inner, kind, scope, more))

    def _visit_node(self, node: ast.AST, scope: Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self._visit(decorator, scope)
                place = self._after(node.lineno, node.col_offset, node.name)
                kind = "method" if scope.kind == "class" else "def" if scope.kind == "module" else "local"
                self._add(place, node.name, kind, scope)
                if node.returns:
                    self._quoted(node.returns, scope, "annotation")
                    self._visit(node.returns, scope)
                for parameter in getattr(node, "type_params", []):
                    self._visit(parameter, scope)
                self._function(node, scope, node.name)
                return
            case ast.Lambda():
                self._function(node, scope, "<lambda>")
                return
            case ast.AnnAssign():
                self._quoted(node.annotation, scope, "annotation")
            case ast.Assign() if any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
                self._quoted(node.value, scope, "annotation")
            case ast.ClassDef():
                for inner in [*node.decorator_list, *node.bases, *node.keywords]:
                    self._visit(inner, scope)
                self._add(self._after(node.lineno, node.col_offset, node.name), node.name,
                          "def" if scope.kind != "function" else "local", scope)
                inside = self._scope(node, "class", f"{scope.qual}.{node.name}".lstrip("."), scope)
                self._bind(node.body, inside)
                for inner in node.body:
                    self._visit(inner, inside)
                return
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                inside = self._scope(node, "comp", scope.qual, scope)
                for generator in node.generators:
                    self._target(generator.target, inside, last_name(generator.iter))
                for number, generator in enumerate(node.generators):
                    self._visit(generator.iter, scope if number == 0 else inside)
                    self._visit(generator.target, inside)
                    for test in generator.ifs:
                        self._visit(test, inside)
                if isinstance(node, ast.DictComp):
                    self._visit(node.key, inside)
                    self._visit(node.value, inside)
                else:
                    self._visit(node.elt, inside)
                return
            case ast.Attribute():
                self._visit(node.value, scope)
                line, end = node.end_lineno, node.end_col_offset
                col = self._col(line, end) - len(node.attr)
                self._add((line, col), node.attr, "attr", scope)
                if isinstance(node.value, ast.Name):
                    bound = scope.resolve(node.value.id)
                    if bound and node.value.id in bound.imports:
                        module, name = bound.imports[node.value.id]
                        self.found[line, col].target = (f"{module}.{name}".strip(".") if name else module, node.attr)
                return
            case ast.Name():
                self._name(node.id, (node.lineno, self._col(node.lineno, node.col_offset)), scope)
                return
            case ast.Call():
                self._visit(node.func, scope)
                for argument in node.args:
                    self._visit(argument, scope)
                callee = last_name(node.func)
                if callee in {"cast"} and node.args:
                    self._quoted(node.args[0], scope, "annotation")
                if callee in {"setattr", "getattr", "hasattr", "delattr", "object", "attrgetter", "methodcaller"}:
                    for argument in node.args:
                        if isinstance(argument, ast.Constant):
                            self._quoted(argument, scope, "attr")
                if callee in {"getfixturevalue", "usefixtures"}:
                    for argument in node.args:
                        self._quoted(argument, scope, "global")
                if callee == "partial" and node.args:
                    callee = last_name(node.args[0])
                for keyword in node.keywords:
                    if keyword.arg:
                        place = (keyword.lineno, self._col(keyword.lineno, keyword.col_offset))
                        self._add(place, keyword.arg, "kwarg", scope, callee)
                    self._visit(keyword.value, scope)
                return
            case ast.ImportFrom() | ast.Import():
                return self._import(node, scope)
            case ast.Global() | ast.Nonlocal():
                for name in node.names:
                    place = self._after(node.lineno, node.col_offset, name)
                    if place:
                        self._name(name, place, scope)
                return
            case ast.ExceptHandler():
                if node.type:
                    self._visit(node.type, scope)
                if node.name:
                    start = node.type
                    self._name(node.name, self._after(start.end_lineno, start.end_col_offset, node.name), scope)
                for inner in node.body:
                    self._visit(inner, scope)
                return
            case ast.MatchAs():
                if node.pattern:
                    self._visit(node.pattern, scope)
                    self._name(node.name, self._after(node.pattern.end_lineno, node.pattern.end_col_offset, node.name), scope)
                elif node.name:
                    self._name(node.name, (node.lineno, self._col(node.lineno, node.col_offset)), scope)
                return
            case ast.MatchStar() if node.name:
                self._name(node.name, self._after(node.lineno, node.col_offset, node.name), scope)
                return
            case ast.MatchClass():
                self._visit(node.cls, scope)
                for inner in node.patterns:
                    self._visit(inner, scope)
                before = node.cls if not node.patterns else node.patterns[-1]
                for name, inner in zip(node.kwd_attrs, node.kwd_patterns, strict=True):
                    self._add(self._after(before.end_lineno, before.end_col_offset, name), name, "attr", scope)
                    self._visit(inner, scope)
                    before = inner
                return
            case ast.MatchMapping():
                for inner in [*node.keys, *node.patterns]:
                    self._visit(inner, scope)
                if node.rest:
                    before = node.patterns[-1] if node.patterns else node
                    self._name(node.rest, self._after(before.end_lineno, before.end_col_offset, node.rest), scope)
                return
        for inner in ast.iter_child_nodes(node):
            self._visit(inner, scope)

    def _import(self, node, scope: Scope) -> None:
        tokens = [t for t in self._between(node) if t.string not in {"from", "import", "as"}]
        if isinstance(node, ast.Import):
            for token in tokens:
                self._add(token.start, token.string, "module", scope)
            return
        number = len(node.module.split(".")) if node.module else 0
        for token in tokens[:number]:
            self._add(token.start, token.string, "module", scope, node.module)
        rest = iter(tokens[number:])
        for alias in node.names:
            if alias.name == "*":
                continue
            token = next(rest)
            self._add(token.start, alias.name, "import", scope)
            self.found[token.start].target = (node.module or "", alias.name)
            if alias.asname:
                other = next(rest)
                self._name(alias.asname, other.start, scope)
                self.found[token.start].callee = "as"

    def _between(self, node):
        import bisect

        start = (node.lineno, self._col(node.lineno, node.col_offset))
        end = (node.end_lineno, self._col(node.end_lineno, node.end_col_offset))
        lo = bisect.bisect_left(self.order, start)
        hi = bisect.bisect_right(self.order, end)
        return [self.at[spot] for spot in self.order[lo:hi]]
