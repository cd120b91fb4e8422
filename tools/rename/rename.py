#!/usr/bin/env python3
"""Renames modules and identifiers of a tree by the tables beside this script. Needs Python 3.12+.

    python3.13 rename.py [--dry-run] [--root TREE]

Tables (tab-separated, `#` begins a comment):
    moves.tsv   old path, new path            modules and packages (`git mv`)
    map.tsv     old name, new name, scope     identifiers
    tests.tsv   old name, new name            test functions and classes: textual, in every file

A scope is `*`, a glob of paths (`worker/checks/*`), or `glob:function` (the dotted name of the
function that binds a local name or parameter; a glob too). `loop:NAME` is a loop variable over
NAME. A prefix `local@`, `attr@`, `def@` restricts a rule to local names and parameters, to
attributes (fields, methods, keywords), or to definitions of modules; `str@` is a string literal
that is exactly the name. The most narrow rule wins. Paths are those before the moves.

Told on stderr: collisions (two names become one, or a name is captured by an inner scope), rules
that match nothing, and names that could not be classified. Run twice, it changes nothing more.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import collections
import fnmatch
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from names import Module, Scope

HERE = pathlib.Path(__file__).resolve().parent
TEXT = {".md", ".toml", ".yml", ".yaml", ".service", ".sh", ".cfg", ".mako", ".mjs", ""}
PLAIN = {"Makefile", "Dockerfile", "run"}


def rows(name):
    path = HERE / name
    if not path.exists():
        return
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split("\t")


class Rule:
    def __init__(self, old, new, scope):
        self.old, self.new, self.text, self.hits = old, new, scope, 0
        kind, at, rest = scope.partition("@")
        self.kind, scope = (kind, rest) if at else ("any", scope)
        self.path, self.qual, self.loop = "*", "", ""
        if scope.startswith("loop:"):
            self.loop = scope[5:]
            if "|" in self.loop:
                self.loop, self.path = self.loop.split("|")
        elif ":" in scope:
            self.path, self.qual = scope.split(":")
        else:
            self.path = scope
        if self.qual == "*":
            self.qual, self.kind = "", "local" if self.kind == "any" else self.kind
        literal = len(self.path.replace("*", "")) / 20
        self.rank = (
            (4 + 0.5 * ("*" not in self.qual) if self.qual else 0)
            + (2 if self.loop not in {"", "*"} else 1.9 if self.loop else 0)
            + literal + (2.5 if self.kind == "param" else 0.01 if self.kind != "any" else 0)
        )

    def fits_path(self, path):
        return self.path == "*" or fnmatch.fnmatch(path, self.path)


class Tree:
    def __init__(self, root, dry):
        self.root, self.dry = root, dry
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True)
        self.paths = sorted({p for p in listed.stdout.splitlines() if (root / p).is_file() and not p.startswith("tools/rename/")})
        self.moves, self.module_moves, self.problems = {}, {}, []
        self.notes = []
        self.rules = collections.defaultdict(list)
        for old, new, scope in rows("map.tsv"):
            self.rules[old].append(Rule(old, new, scope.strip()))
        for name in self.rules:
            self.rules[name] = sorted(reversed(self.rules[name]), key=lambda rule: -rule.rank)  # the last of equals wins
        self._read_moves()
        self.modules, self.files = {}, {}
        for path in self.paths:
            if path.endswith(".py"):
                try:
                    self.files[path] = Module((root / path).read_text())
                except SyntaxError as error:
                    self.problems.append(f"{path}: cannot be parsed: {error}")
                for dotted in self._dotted(path):
                    self.modules[dotted] = path
        self.parameters = collections.defaultdict(lambda: collections.defaultdict(set))

    @staticmethod
    def _dotted(path):
        parts = path.removesuffix(".py").split("/")
        if parts[-1] == "__init__":
            parts.pop()
        yield ".".join(parts)
        if parts[0] == "tests":
            yield ".".join(parts[1:])
            if len(parts) == 3 and parts[1] in {"acceptance", "service", "integration", "unit", "contract", "docs"}:
                yield parts[2]

    def _read_moves(self):
        wanted, folders = {}, {}
        for old, new in rows("moves.tsv"):
            (folders if old.endswith("/") else wanted)[old] = new
        for path in self.paths:
            new = wanted.get(path)
            if new is None:
                for folder in sorted(folders, key=len, reverse=True):
                    if path.startswith(folder):
                        new = folders[folder] + path[len(folder):]
                        break
            if new and new != path:
                self.moves[path] = new
        for old, new in wanted.items():
            if old not in self.moves and not (self.root / new).exists():
                self.problems.append(f"moves.tsv: {old} is not there")
        for old, new in self.moves.items():
            if new in self.paths and new not in self.moves:
                self.problems.append(f"collision: {old} would overwrite {new}")
            if old.endswith(".py"):
                for was, becomes in zip(self._dotted(old), self._dotted(new)):
                    self.module_moves[was] = becomes

    # What an identifier becomes.
    def rule(self, path, name, kind, scope=None):
        for rule in self.rules.get(name, ()):
            if not rule.fits_path(path):
                continue
            if rule.kind == "param":
                if kind != "local" or scope is None or name not in scope.params:
                    continue
            elif rule.kind not in {"any", kind}:
                continue
            if rule.qual:
                if kind != "local" or scope is None or not fnmatch.fnmatchcase(scope.qual, rule.qual):
                    continue
            if rule.loop:
                if kind != "local" or scope is None or name not in scope.iters or not fnmatch.fnmatchcase(scope.iters[name], rule.loop):
                    continue
            rule.hits += 1
            return rule.new
        return name

    def module_of(self, dotted):
        return self.modules.get(dotted)

    def defined(self, module, name, seen=()):
        """The new name of a definition of a module, wherever it is imported from."""
        full = f"{module}.{name}" if module else name
        if full in self.module_moves:
            return self.module_moves[full].rpartition(".")[2]
        path = self.module_of(module)
        if path is None or path not in self.files or full in self.modules and full not in self.module_moves:
            return name
        top = self.files[path].top
        if name in top.imports and (module, name) not in seen:
            if top.imports[name][1] == "":
                return self.bound(path, top, name)
            return self.defined(*top.imports[name], (*seen, (module, name)))
        return self.rule(path, name, "def")

    def bound(self, path, scope, name):
        """The new name of a name in the scope that binds it."""
        if name in scope.imports:
            module, original = scope.imports[name]
            if original == "":
                return self.module_moves.get(module, name) if name == module else name
            if original != name:  # `as`
                return self.rule(path, name, "local", scope)
            return self.defined(module, original)
        if scope.kind == "module":
            return self.rule(path, name, "def")
        if scope.kind == "class":
            return self.rule(path, name, "attr")
        return self.rule(path, name, "local", scope)

    def index_parameters(self):
        for path, module in self.files.items():
            for scope in module.scopes:
                if scope.kind == "function" and scope.owner:
                    for name in scope.params:
                        self.parameters[scope.owner][name].add((path, self.bound(path, scope, name)))

    def new_name(self, path, o):
        match o.kind:
            case "local" | "param" | "global":
                return self.bound(path, o.scope, o.name)
            case "def":
                return self.bound(path, o.scope, o.name)
            case "attr" if o.target and o.target[0] in self.modules:
                return self.defined(*o.target)
            case "attr" | "field" | "method":
                return self.rule(path, o.name, "attr")
            case "import":
                return self.defined(*o.target)
            case "kwarg":
                found = self.parameters.get(o.callee, {}).get(o.name)
                if found:
                    here = {new for where, new in found if where == path}
                    every = {new for _, new in found}
                    choice = here if len(here) == 1 else every
                    if len(choice) > 1:
                        self.problems.append(f"{path}:{o.line}: {o.callee}({o.name}=) may be {sorted(choice)}")
                    return sorted(choice)[0]
                return self.rule(path, o.name, "attr")
            case "module":
                return o.name
            case "token" if o.name in self.rules:
                self.problems.append(f"{path}:{o.line}: {o.name} is not understood")
        return o.name

    def dotted(self, text):
        """Rewrite a dotted path of modules, and of a name in one."""
        parts = text.split(".")
        for end in range(len(parts), 0, -1):
            head = ".".join(parts[:end])
            if head in self.modules:
                new = self.module_moves.get(head, head)
                rest = parts[end:]
                if rest:
                    path = self.modules[head]
                    if path in self.files and rest[0] in self.files[path].top.bound:
                        rest[0] = self.bound(path, self.files[path].top, rest[0])
                    rest[1:] = [self.rule(path, part, "attr") for part in rest[1:]]
                return ".".join([new, *rest])
        return text

    # Rewriting.
    def rewrite(self, path):
        module = self.files[path]
        edits = {}
        names = {}
        for place, o in module.found.items():
            if o.kind == "module":
                continue
            new = self.new_name(path, o)
            names[place] = new
            if new != o.name:
                edits[place] = (len(o.name), new)
        self._modules(module, edits)
        self._strings(path, module, edits)
        self._collisions(path, module, names)
        lines = module.lines[:]
        for (line, col), (length, new) in sorted(edits.items(), reverse=True):
            text = lines[line - 1]
            lines[line - 1] = text[:col] + new + text[col + length :]
        return "\n".join(lines), len(edits)

    def _modules(self, module, edits):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                old = node.module.split(".")
                new = self.module_moves.get(node.module, node.module).split(".")
                tokens = [t for t in module._between(node) if t.string not in {"from", "import", "as"}]
                for token, part in zip(tokens, new):
                    if token.string != part:
                        edits[token.start] = (len(token.string), part)
                assert len(old) == len(new), (old, new)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name in self.module_moves:
                        parts = self.module_moves[alias.name].split(".")
                        tokens = [t for t in module._between(node) if t.string != "import"]
                        start = [t.string for t in tokens].index(alias.name.split(".")[0])
                        for token, part in zip(tokens[start:], parts):
                            if token.string != part:
                                edits[token.start] = (len(token.string), part)

    def _strings(self, path, module, edits):
        done = set()
        word = re.compile(r"[A-Za-z_]\w*")

        def edit(node, change):
            place = (node.lineno, module._col(node.lineno, node.col_offset))
            if place in done or node.lineno != node.end_lineno:
                return
            end = module._col(node.end_lineno, node.end_col_offset)
            text = module.lines[node.lineno - 1][place[1]:end]
            if not text or text[-1] not in "\"'":
                return
            new = change(text)
            if new != text:
                done.add(place)
                edits[place] = (len(text), new)

        for node, kind, scope, _ in module.strings:
            if kind == "annotation":
                def change(text, scope=scope):
                    def each(match):
                        found = scope.resolve(match[0])
                        if found is not None and found.kind in {"module", "function"}:
                            return self.bound(path, found, match[0])
                        return match[0]
                    return word.sub(each, text)
                edit(node, change)
            elif kind == "attr" and node.value.isidentifier():
                edit(node, lambda text, v=node.value: text.replace(v, self.rule(path, v, "attr") if v not in module_names(self, v) else module_names(self, v)[v]))
            elif kind == "global" and node.value.isidentifier():
                edit(node, lambda text, v=node.value: text.replace(v, self.rule(path, v, "def")))
            elif kind == "params":
                edit(node, lambda text, scope=scope: word.sub(
                    lambda m: self.bound(path, scope, m[0]) if m[0] in scope.params else m[0], text))
        fstrings = set()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.JoinedStr):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Constant):
                        fstrings.add(id(inner))
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in fstrings:
                if re.fullmatch(r"[a-z_]+(\.\w+)+", node.value) and node.value.split(".")[0] in {"worker", "bench", *TESTS}:
                    edit(node, lambda text, v=node.value: text.replace(v, self.dotted(v)))
                else:
                    if "_" in node.value.strip("_") and node.value.isidentifier() and not any(r.kind == "str" for r in self.rules.get(node.value, ())):
                        new = self.rule(path, node.value, "attr")
                        if new != node.value:
                            self.notes.append(f"string: {path}:{node.lineno}: {node.value} → {new}")
                            edit(node, lambda text, v=node.value, n=new: text.replace(v, n))
                            continue
                    for rule in self.rules.get(node.value, ()):
                        if rule.kind == "str" and rule.fits_path(path):
                            rule.hits += 1
                            edit(node, lambda text, v=node.value, r=rule: text.replace(v, r.new))
                            break
        for node in ast.walk(module.tree):  # attribute names handed over as tuples: ("setattr" targets in lists)
            pass

    def _collisions(self, path, module, names):
        bound = {}
        for scope in module.scopes:
            table = collections.defaultdict(set)
            for name in scope.bound - scope.outer:
                table[self.bound(path, scope, name)].add(name)
            bound[scope.number] = table
            for new, olds in table.items():
                if len(olds) > 1:
                    self.problems.append(f"collision: {path}: {scope.qual or 'module'}: {sorted(olds)} all become {new}")
        for place, o in module.found.items():
            if o.kind not in {"local", "param", "global", "free"} or o.stands is None:
                continue
            new = names[place]
            origin = None if o.kind == "free" else o.scope
            scope, first = o.stands, True
            while scope is not None:
                if new in bound[scope.number] and (scope.kind != "class" or first):
                    break
                first = first and scope.kind == "class"
                scope = scope.parent
            if scope is not origin and not (origin is not None and scope is not None and o.name in o.stands.outer):
                # a comprehension's first iterable stands in the outer scope: handled by `stands`
                if new != o.name or (scope is not None and any(n != new for n in bound[scope.number][new])):
                    self.problems.append(f"capture: {path}:{o.line}: {o.name} → {new} is bound in {scope.qual if scope else 'nothing'}"
                                         f", was in {origin.qual if origin else 'nothing'}")
            if new != o.name and o.kind in {"local", "param"} and hasattr(builtins, new) and not hasattr(builtins, o.name):
                self.problems.append(f"builtin: {path}:{o.line}: {o.name} → {new}")
        attributes = collections.defaultdict(set)
        for scope in module.scopes:
            if scope.kind == "class":
                for name in scope.bound:
                    attributes[scope.qual, self.rule(path, name, "attr")].add(name)
        for o in module.found.values():
            if o.kind == "attr" and o.stands is not None:
                text = module.lines[o.line - 1][: o.col]
                if text.endswith("self."):
                    scope = o.stands
                    while scope is not None and scope.kind != "class":
                        scope = scope.parent
                    if scope is not None:
                        attributes[scope.qual, self.rule(path, o.name, "attr")].add(o.name)
        for (qual, new), olds in attributes.items():
            if len(olds) > 1:
                self.problems.append(f"collision: {path}: attributes of {qual}: {sorted(olds)} all become {new}")

    def run(self):
        self.index_parameters()
        tests = {old: new for old, new in rows("tests.tsv")}
        classes = {old: found[0].new for old, found in self.rules.items() if old.startswith("Test") and found[0].path == "*"}
        news = {}
        for path in self.files:
            news[path], _ = self.rewrite(path)
        pattern = re.compile(r"(?<![A-Za-z0-9_])(" + "|".join(sorted(map(re.escape, tests), key=len, reverse=True)) + r")(?![A-Za-z0-9_])") if tests else None
        changed = 0
        used = collections.Counter()
        for path in self.paths:
            file = self.root / path
            suffix = file.suffix
            if path not in news and suffix not in TEXT and file.name not in PLAIN:
                continue
            if "requirements" in path:
                continue
            try:
                before = file.read_text()
            except UnicodeDecodeError:
                continue
            text = news.get(path, before)
            if pattern:
                def swap(match):
                    used[match[0]] += 1
                    return tests[match[0]]
                text = pattern.sub(swap, text)
            if path not in self.files:
                for old, new in classes.items():
                    text = re.sub(rf"\b{old}\b", new, text)
            text = self.paths_in(text, path)
            if path == "pyproject.toml":
                text = self.project(text)
            if text != before:
                changed += 1
                if not self.dry:
                    file.write_text(text)
        if not self.dry:
            for old, new in self.moves.items():
                (self.root / new).parent.mkdir(parents=True, exist_ok=True)
                known = subprocess.run(["git", "mv", old, new], cwd=self.root, capture_output=True, text=True)
                if known.returncode:
                    (self.root / old).rename(self.root / new)
            for old in {str(pathlib.Path(p).parent) for p in self.moves}:
                folder = self.root / old
                if folder.is_dir() and not [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]:
                    import shutil

                    shutil.rmtree(folder)
        for name, found in self.rules.items():
            for rule in found:
                if not rule.hits:
                    self.problems.append(f"unused: {name} → {rule.new} in {rule.text}")
        for old in tests:
            if not used[old]:
                self.problems.append(f"unused: tests.tsv: {old}")
        return changed

    def project(self, text):
        """Layers and packages, which stand in pyproject.toml by their last names."""
        def layer(match):
            return re.sub(r"[a-z_]\w*", lambda m: self.module_moves.get(f"worker.{m[0]}", f"worker.{m[0]}").removeprefix("worker."), match[0])
        head, mark, rest = text.partition("layers = [")
        block, end, tail = rest.partition("\n]\n")
        block = re.sub(r'"[^"]*"', layer, block)
        text = head + mark + block + end + tail
        return re.sub(r'(?m)^packages = \[.*\]$', lambda m: re.sub(r'"(\w+)"', lambda w: f'"{self.module_moves.get(w[1], w[1])}"', m[0]), text)

    def paths_in(self, text, path):
        """Paths and dotted names of modules in prose, tables and configuration."""
        for old, new in sorted(self.moves.items(), key=lambda pair: -len(pair[0])):
            for was, becomes in ((old, new), (old.removeprefix("tests/"), new.removeprefix("tests/"))):
                if "/" in was and was.split("/")[-1] != "__init__.py":
                    text = re.sub(rf"(?<![\w/]){re.escape(was)}(?!\w)", becomes, text)
        for folder, new in FOLDERS:
            text = re.sub(rf"(?<![\w/]){re.escape(folder)}(?=[\w*`\s./])", new, text)
        def each(match):
            return self.dotted(match[0])

        def ticked(match):
            for rule in self.rules.get(match[1], ()):
                if rule.path == "*" and rule.kind != "str" and "_" in match[1].strip("_"):
                    return f"`{rule.new}`"
            return match[0]

        text = re.sub(r"`(\w+)`", ticked, text)
        if path == "ARCHITECTURE.md":
            text = re.sub(r"(?m)^\|.*\|$", lambda line: re.sub(
                r"`(\w+)(?=/?`)", lambda m: "`" + self.module_moves.get(f"worker.{m[1]}", f"worker.{m[1]}").removeprefix("worker.") , line[0]), text)
        if path.endswith(".toml") or path.endswith(".md") or path.endswith(".py") or pathlib.Path(path).name in PLAIN or path.endswith(".sh"):
            text = re.sub(r"(?<![\w./@-])(?:worker|bench)(?:\.[A-Za-z_]\w*)+", each, text)
        return text


def module_names(tree, name):
    """A name that modules define, for setattr(module, "name", …)."""
    found = set()
    for path, module in tree.files.items():
        if name in module.top.bound and name not in module.top.imports:
            found.add(tree.rule(path, name, "def"))
    found.discard(name)
    return {name: found.pop()} if len(found) == 1 and tree.rule("", name, "attr") == name else {}


TESTS = {"twin", "oracles", "chaos", "broken"}
FOLDERS = [(old, new) for old, new in rows("moves.tsv") if old.endswith("/")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=".", type=pathlib.Path)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--unused", action="store_true", help="show rules that match nothing, too")
    options = parser.parse_args()
    tree = Tree(options.root.resolve(), options.dry_run)
    changed = tree.run()
    problems = list(dict.fromkeys(tree.problems))
    if options.unused:
        print(*tree.notes, sep="\n", file=sys.stderr)
    shown = [p for p in problems if options.unused or not p.startswith("unused")]
    print(*shown, sep="\n", file=sys.stderr)
    hidden = len(problems) - len(shown)
    print(f"{changed} files change, {len(tree.moves)} move; {len(shown)} problems; {hidden} rules matched nothing")
    sys.exit(1 if any(p.startswith(("collision", "capture", "builtin")) for p in shown) else 0)


if __name__ == "__main__":
    main()
