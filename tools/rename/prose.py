#!/usr/bin/env python3
"""Rewrites prose: docstrings, comments, string literals and Markdown. Run before rename.py. Python 3.12+.

    python3.13 prose.py [--root TREE] [--dry-run]

1. prose/*.tsv: exact texts, `path<TAB>old<TAB>new` (`\\n` is a line break); told where the old text stands no more.
2. events.tsv: names of log events.
3. prose.tsv: patterns, one after the other, in docstrings, comments, string literals of two words or more, and documents.
4. Comments and docstrings that grew beyond 100 columns are filled again.
"""

import argparse
import ast
import fnmatch
import io
import pathlib
import re
import subprocess
import sys
import textwrap
import tokenize

HERE = pathlib.Path(__file__).resolve().parent
WIDTH = 100
SKIP = ("tools/rename/", "tests/service/boot.sh", "requirements", "migrations/versions", "SEEDS.md", "payloads/", "RESULTS.md")


def rows(path):
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split("\t")


def patterns():
    found = []
    for row in rows(HERE / "prose.tsv"):
        pattern, new, scope = (*row, "*")[:3] if len(row) < 3 else row
        if "\\b" not in pattern and pattern[0].isalpha() and not pattern.startswith("("):
            pattern = r"\b" + pattern
        if pattern[-1].isalpha() and not pattern.endswith(r"\b"):
            pattern += r"\b"
        pattern = re.sub(r"^\\b", r"(?<![\\w-])", pattern)
        pattern = re.sub(r"\\b$", r"(?![\\w-])", pattern)
        pattern = re.sub(r"(?<!\\) (?![*+?])", r"\\s+", pattern) if "[" not in pattern and "(?<!dead" not in pattern and "(?<!small" not in pattern else pattern
        found.append((re.compile(pattern, re.IGNORECASE), new, scope))
    return found


def rewrite(text, path, table):
    # Names in backticks and code stay: rename.py knows them.
    pieces = re.split(r"(`[^`\n]+`)", text)
    for i in range(0, len(pieces), 2):
        piece = pieces[i]
        for pattern, new, scope in table:
            if scope == "*" or fnmatch.fnmatch(path, scope):
                def swap(m, new=new):
                    out = m.expand(new)
                    first = next((c for c in m[0] if c.isalpha()), "")
                    if first.isupper():
                        at = next((k for k, c in enumerate(out) if c.isalpha()), None)
                        if at is not None:
                            out = out[:at] + out[at].upper() + out[at + 1 :]
                    return out
                piece = pattern.sub(swap, piece)
        pieces[i] = piece
    return "".join(pieces)


def python(text, path, table):
    tree = ast.parse(text)
    docs = set()
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str):
                docs.add((child.value.lineno, child.value.col_offset))
    lines = text.split("\n")
    edits = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "COMMENT":
            body = token.string
            if re.match(r"#\s*(noqa|type:|fmt:|pragma)", body) and " " not in body.split(":", 1)[-1].strip():
                continue
            new = rewrite(body, path, table)
        elif kind == "STRING":
            is_doc = token.start in docs or (token.start[0], token.start[1]) in docs
            inner = re.sub(r"^[rbfuRBFU]*(\"\"\"|'''|\"|')", "", token.string)
            if not is_doc and (" " not in inner.strip() or "SELECT" in inner or "INSERT" in inner):
                continue
            if token.string.lower().startswith(("b", "rb", "br")):
                continue
            new = rewrite(token.string, path, table)
        elif kind == "FSTRING_MIDDLE":
            if " " not in token.string.strip() and len(token.string.split()) < 2 and token.string.strip().isidentifier() is False:
                pass
            raw = text_of(lines, token)
            new = rewrite(raw, path, table)
            if new != raw:
                edits.append((token.start, token.end, new))
            continue
        else:
            continue
        if new != token.string:
            edits.append((token.start, token.end, new))
    return apply(lines, edits)


def text_of(lines, token):
    (a, b), (c, d) = token.start, token.end
    if a == c:
        return lines[a - 1][b:d]
    return "\n".join([lines[a - 1][b:], *lines[a : c - 1], lines[c - 1][:d]])


def apply(lines, edits):
    lines = lines[:]
    for (a, b), (c, d), new in sorted(edits, reverse=True):
        head, tail = lines[a - 1][:b], lines[c - 1][d:]
        lines[a - 1 : c] = (head + new + tail).split("\n")
    return "\n".join(lines)


def refill(text):
    """Fill paragraphs of docstrings and blocks of comments in which a line is too long."""
    lines = text.split("\n")
    if not any(len(line) > WIDTH for line in lines):
        return text
    # comments
    out, i = [], 0
    while i < len(lines):
        m = re.match(r"(\s*)# (?=\S)", lines[i])
        if m:
            j = i
            while j < len(lines) and re.match(rf"{m[1]}# (?=\S)", lines[j]):
                j += 1
            block = lines[i:j]
            if any(len(line) > WIDTH for line in block) and not any("noqa" in x or "fmt:" in x for x in block):
                words = " ".join(line.strip()[2:] for line in block)
                block = textwrap.wrap(words, WIDTH, initial_indent=m[0], subsequent_indent=m[0], break_long_words=False, break_on_hyphens=False)
            out += block
            i = j
        else:
            out.append(lines[i])
            i += 1
    text = "\n".join(out)
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    lines = text.split("\n")
    spans = []
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str):
                spans.append((child.value.lineno, child.value.end_lineno))
    for start, end in sorted(spans, reverse=True):
        block = lines[start - 1 : end]
        if not any(len(line) > WIDTH for line in block):
            continue
        indent = re.match(r"\s*", block[0])[0]
        first = block[0].strip()
        opening = re.match(r'[rbu]*"""', first)
        if not opening:
            continue
        body = "\n".join(block)[len(indent) + len(opening[0]) :].rstrip()
        if not body.endswith('"""'):
            continue
        body = body[:-3]
        closing_alone = body.endswith("\n" + indent) or body.rstrip(" ").endswith("\n")
        body = body.rstrip()
        paragraphs = body.split("\n")
        # groups of lines with the same indentation, no list or code
        groups, current = [], [paragraphs[0]]
        for line in paragraphs[1:]:
            same = re.match(r"\s*", line)[0] == (indent if len(current) == 1 and current is not None and not groups and current[0] == paragraphs[0] else re.match(r"\s*", current[-1])[0])
            if line.strip() and current[-1].strip() and same:
                current.append(line)
            else:
                groups.append(current)
                current = [line]
        groups.append(current)
        new = []
        for number, group in enumerate(groups):
            if not group[0].strip():
                new.append("")
                continue
            lead = indent if number == 0 else re.match(r"\s*", group[0])[0]
            long = any(len((lead + opening[0] if number == 0 and k == 0 else "") + line) > WIDTH for k, line in enumerate(group))
            last = number == len(groups) - 1
            if last and not closing_alone and len(lead) * (number == 0) + len(group[-1]) + 3 + (len(opening[0]) if number == 0 else 0) > WIDTH:
                long = True
            if not long:
                new += ([indent + opening[0] + group[0], *group[1:]] if number == 0 else group)
                continue
            words = " ".join(line.strip() for line in group)
            if last and not closing_alone:
                words += '"""'
            head = indent + opening[0] if number == 0 else lead
            if number == 0 and len(groups) > 1 or (number == 0 and closing_alone):
                # the summary must stay one sentence on one line if it can
                pass
            wrapped = textwrap.wrap(words, WIDTH, initial_indent=head, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False)
            if last and not closing_alone:
                wrapped[-1] = wrapped[-1].removesuffix('"""')
            new += wrapped
        if closing_alone:
            new.append(indent + '"""')
        else:
            new[-1] += '"""'
        lines[start - 1 : end] = new
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=".", type=pathlib.Path)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--refill", action="store_true", help="only fill long comments and docstrings again (after rename.py)")
    options = parser.parse_args()
    root = options.root.resolve()
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    table = patterns()
    events = dict(rows(HERE / "events.tsv"))
    exact = {}
    for file in sorted((HERE / "prose").glob("*.tsv")):
        for number, row in enumerate(rows(file), 1):
            if len(row) != 3:
                print(f"{file.name}:{number}: {len(row)} columns", file=sys.stderr)
                continue
            exact.setdefault(row[0], []).append((row[1].replace("\\n", "\n"), row[2].replace("\\n", "\n")))
    missing = done = changed = 0
    for path in sorted(set(listed)):
        file = root / path
        if file.suffix not in {".py", ".md", ".toml", ".yml", ".service", ""} or not file.is_file() or any(s in path for s in SKIP):
            continue
        if file.suffix == "" and file.name not in {"Makefile", "Dockerfile"}:
            continue
        try:
            before = file.read_text()
        except UnicodeDecodeError:
            continue
        if options.refill:
            text = refill(before) if file.suffix == ".py" else before
            if text != before:
                ast.parse(text)
                file.write_text(text)
            continue
        text = before
        protected = []
        for old, new in exact.pop(path, []):
            if old in text:
                mark = f"\ue000{len(protected)}\ue001"
                # Written texts are not touched by patterns.
                protected.append(new)
                text = text.replace(old, mark if False else new)
                done += 1
            else:
                missing += 1
                print(f"not there: {path}: {old[:90]!r}", file=sys.stderr)
        for old, new in events.items():
            if file.suffix in {".md", ".yml"}:
                text = re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w.])", new, text)
            else:
                text = re.sub(rf"(?<=[\"'`]){re.escape(old)}(?=[\"'`])", new, text)
        try:
            if file.suffix == ".py":
                text = python(text, path, table)
            elif file.suffix in {".md", ".yml"}:
                text = rewrite(text, path, table)
            else:  # comments only
                text = re.sub(r"(?m)(?:^|(?<=\s))#.*$", lambda m: rewrite(m[0], path, table), text)
        except (SyntaxError, tokenize.TokenError) as error:
            print(f"cannot be parsed: {path}: {error}", file=sys.stderr)
        if file.suffix == ".py":
            text = refill(text)
            try:
                ast.parse(text)
            except SyntaxError as error:
                print(f"BROKEN: {path}: {error}", file=sys.stderr)
                continue
        if text != before:
            changed += 1
            if not options.dry_run:
                file.write_text(text)
    for path in exact:
        print(f"no such file: {path}", file=sys.stderr)
    print(f"{changed} files, {done} exact texts, {missing} not there")


main()
