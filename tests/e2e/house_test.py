"""The house rules that a machine can hold: include arrows, file sizes, banned calls."""

import ast
import os
import re
import subprocess
import sys
import unittest

from program import main

# Who may include whom, by top-level folder.
ARROWS = {
    "engine": {"engine"},
    "variants": {"engine", "variants"},
    "workloads": {"engine/base", "workloads"},
    "harness": {"engine", "variants", "workloads", "harness"},
    "tests": {"engine", "variants", "workloads", "harness", "tests"},
    "examples": {"engine", "variants"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
# What the Python package may import besides the standard library.
PYTHON_PACKAGES = {"lsmlab_results", "matplotlib", "numpy", "pandas", "scipy"}
LINES_MAX = 1000
BANNED = {
    r"\brand\s*\(": "Random of engine/base/random.h",
    r"\brandom_device\b": "Random with a stated seed",
    r"\batoi\s*\(": "std::from_chars",
    r"\bstrcpy\s*\(": "Slice and std::string",
    r"\bsprintf\s*\(": "std::snprintf",
    r"\bsystem_clock\b": "NowNanos of engine/base/clock.h",
    r"\bhigh_resolution_clock\b": "NowNanos of engine/base/clock.h",
    r"\.detach\s*\(\s*\)": "threads that are joined",
}
ONLY_ENGINE = {r"\bstd::cout\b": "Status", r"[^nf]printf\s*\(": "Status"}
PRINTS_BY_DESIGN = {"engine/base/assert.h"}
# A store's identity must differ from that of every other store.
DRAWS_BY_DESIGN = {"engine/tree/store_open.cc"}


def tracked(*suffixes):
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    return [path for path in listed.stdout.split() if path.endswith(suffixes)]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def disallowed(path, text):
    """What `text`, at `path`, includes against the arrows: of quotes anything but a generated file
    (lsmlab_revision.h), of <> what lies in the house's own folders."""
    allowed = ARROWS[path.split("/")[0]]
    return [target for form, target in INCLUDE.findall(text)
            if "/" in target and (form == '"' or target.split("/")[0] in ARROWS)
            and not any(target.startswith(folder + "/") for folder in allowed)]  # fmt: skip


def imported(text):
    """The top-level packages that Python source `text` imports; its own by relative names aside."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


class HouseTest(unittest.TestCase):
    def sources(self):
        found = [p for p in tracked(".h", ".cc") if p.split("/")[0] in ARROWS]
        self.assertGreater(len(found), 100)
        return found

    def test_includes_follow_the_arrows(self):
        wrong = [f"{path} includes {target}" for path in self.sources()
                 for target in disallowed(path, read(path))]  # fmt: skip
        self.assertEqual(wrong, [])

    def test_both_forms_of_an_include_are_seen(self):
        text = ('#include <harness/x.h>\n # include "workloads/y.h"\n'
                '#include "../z.h"\n#include <sys/stat.h>\n')  # fmt: skip
        self.assertEqual(disallowed("engine/a.h", text), ["harness/x.h", "workloads/y.h", "../z.h"])
        self.assertEqual(disallowed("harness/a.h", text), ["../z.h"])

    def test_results_need_what_is_installed_and_nothing_else(self):
        paths = [p for p in tracked(".py") if p.startswith("results/")]
        self.assertGreater(len(paths), 10)
        known = PYTHON_PACKAGES | sys.stdlib_module_names
        wrong = [f"{path} imports {name}" for path in paths
                 for name in imported(read(path)) - known]  # fmt: skip
        self.assertEqual(sorted(wrong), [])

    def test_files_are_short(self):
        long = [f"{p}: {n}" for p in tracked(".h", ".cc", ".py", ".cmake")
                if (n := read(p).count("\n")) > LINES_MAX]  # fmt: skip
        self.assertEqual(long, [])

    def test_no_banned_calls(self):
        wrong = []
        for path in self.sources():
            text = without_comments(read(path))
            rules = dict(BANNED)
            if path.startswith(("engine/", "variants/")) and path not in PRINTS_BY_DESIGN:
                rules.update(ONLY_ENGINE)
            for pattern, instead in rules.items():
                if "random_device" in pattern and path in DRAWS_BY_DESIGN:
                    continue
                for found in re.findall(pattern, text):
                    wrong.append(f"{path}: {found.strip()}: use {instead}")
        self.assertEqual(wrong, [])

    def test_headers_are_included_once_and_nothing_is_left_to_do(self):
        mark = "TO" + "DO"
        for path in self.sources():
            text = read(path)
            if path.endswith(".h"):
                self.assertIn("#pragma once", text, path)
            self.assertNotIn(mark, text, path)
            self.assertNotRegex(text, r"^\s*#\s*if\s+0\b", path)

    def test_sources_are_listed_and_not_globbed(self):
        for path in tracked("CMakeLists.txt"):
            self.assertNotIn("GLOB", read(path).replace("GLOBAL", ""), path)
        # With the folder of each list, for those that are projects of their own.
        lists = "".join(read(p) + "".join(
            os.path.join(os.path.dirname(p), name).split("/", 1)[-1] + "\n"
            for name in re.findall(r"\S+\.cc", read(p))) for p in tracked("CMakeLists.txt"))  # fmt: skip
        unlisted = [p for p in self.sources()
                    if p.endswith(".cc") and p.split("/", 1)[1] not in lists]  # fmt: skip
        self.assertEqual(unlisted, [])


if __name__ == "__main__":
    main()
