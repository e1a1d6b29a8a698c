"""Variants from outside the repository: the example plugin is built, listed, checked and measured."""

import os
import subprocess
import unittest

from program import PROGRAM, ProgramTest, main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BROKEN = """
#include <stdexcept>
#include "engine/parts/plugin.h"
namespace {
std::unique_ptr<lsmlab::FilterBuilder> Make(const lsmlab::SettingBag&, double, uint64_t) {
  throw std::runtime_error("no room for bits");
}
constexpr lsmlab::FilterVariant kFilter = {NAME, "broken", {}, Make, nullptr};
constexpr const lsmlab::FilterVariant* kFilters[] = {&kFilter, EXTRA};
const lsmlab::Plugin kPlugin = {
    .identity = lsmlab::CompiledIdentity(HASH), .name = "broken", .filters = kFilters};
}
LSMLAB_EXPORT_PLUGIN(kPlugin)
"""


class PluginTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.build = os.path.join(os.path.dirname(PROGRAM), "example_plugin")
        for command in (
            ["cmake", "-S", os.path.join(ROOT, "examples/plugin"), "-B", cls.build, "-G", "Ninja"],
            ["ninja", "-C", cls.build],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True)
        cls.plugin = os.path.join(cls.build, "one_bit_filter.so")

    def compile(self, name, *defines):
        """A plugin of the test's own; -O0, for it is never used."""
        source, target = self.write(name + ".cc", BROKEN), self.path(name + ".so")
        subprocess.run(
            ["g++", "-std=c++20", "-shared", "-fPIC", "-I", ROOT, *defines, source, "-o", target],
            check=True, capture_output=True, text=True)  # fmt: skip
        return target

    def contract(self):
        header = os.path.join(self.build, "one_bit_filter_hash_contract", "lsmlab_contract_hash.h")
        with open(header, encoding="utf-8") as file:
            return file.read().split('"')[1]

    def test_is_listed_and_composed_like_a_built_in_one(self):
        listed = self.good("variants", "--part", "filter", "--plugin", self.plugin)
        self.assertIn("one-bit: one bit per key", listed)
        self.assertNotIn("one-bit", self.good("variants", "--part", "filter"))
        out = self.good(
            "bench", "--plugin=" + self.plugin, "--set", "engine.filter.variant=one-bit",
            "-p", "recordcount=20000", "-p", "operationcount=20000", "-p", "lsmlab.readmissing=0.5",
            "--set", "engine.memtable.size=256KiB", "--workload", "ycsb-c",
            "--out", self.path("out"), timeout=300)  # fmt: skip
        self.assertIn("ops/s", out)
        run = [r for r in self.records(self.path("out")) if r["phase"] == "run"][0]
        self.assertTrue(run["complete"], run)
        self.assertGreater(run["counters"]["filter_negatives"], 0)
        self.assertGreater(run["counters"]["filter_false_positives"], 0)
        self.assertEqual(len(run["build"]["plugins"]), 1)

    def test_conforms(self):
        out = self.good("check", "--plugin", self.plugin, timeout=300)
        self.assertIn("filter_conformance_test", out)
        self.assertIn("conforms", out)
        self.assertNotIn(" 0 tests", out)

    def test_experiments_hand_it_to_their_runs(self):
        toml = self.write("e.toml", 'question = "q"\nbase = "a"\n[[variant]]\nname = "a"\n'
            '[[variant]]\nname = "b"\nset = { "engine.filter.variant" = "one-bit" }\n'
            '[properties]\nrecordcount = 1000\noperationcount = 1000\n[[workload]]\nname = "c"\n'
            'file = "workloads/ycsb/workloadc"\n[run]\nrepetitions = 1\nseed = 1\n')  # fmt: skip
        self.bad(2, "run", toml, "--out", self.path("r"), says=("one-bit", "known are"))
        self.good("run", toml, "--plugin", self.plugin, "--out", self.path("r"), timeout=300)
        self.assertTrue(all(r["complete"] for r in self.records(self.path("r"))))

    def test_what_cannot_be_loaded_is_refused_in_one_line(self):
        self.bad(2, "variants", "--plugin", self.path("none.so"), says=("no file", "none.so"))
        self.bad(2, "variants", "--plugin", says=("needs a value",))
        text = self.write("text.so", "no object")
        self.bad(2, "variants", "--plugin", text, says=("cannot be loaded",))
        self.bad(2, "check", says=("no --plugin",))
        empty = self.path("empty.so")
        subprocess.run(["g++", "-shared", "-x", "c++", os.devnull, "-o", empty], check=True)
        self.bad(2, "variants", "--plugin", empty, says=("lacks the function lsmlab_plugin",))

    def test_what_was_made_for_something_else_is_refused_in_one_line(self):
        other = self.compile("other", '-DHASH="0123456789abcdef"', '-DNAME="mine"', "-DEXTRA=")
        self.bad(2, "variants", "--plugin", other, says=("contracts 0123456789ab", "allowed is"))
        mine = '-DHASH="' + self.contract() + '"'
        throws = self.compile("throws", mine, '-DNAME="mine"', "-DEXTRA=")
        self.bad(2, "variants", "--plugin", throws, says=("factory of 'mine' threw", "no room"))
        for extra, says in (("&kFilter", "'mine': the name is taken"), ("nullptr", "without a name")):
            twice = self.compile("twice", mine, '-DNAME="mine"', "-DEXTRA=" + extra)
            self.bad(2, "variants", "--plugin", twice, says=(says,))


if __name__ == "__main__":
    main()
