"""Variants from outside the repository: the example plugin is built, listed, checked and measured."""

import os
import subprocess
import unittest
import unittest.mock

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

# A factory of every part, which throws when its part is named in the environment.
THROWING = """
#include <cstdlib>
#include <stdexcept>
#include "engine/parts/plugin.h"
namespace lsmlab {
template <typename Made>
Made Make(const char* part) {
  const char* throws = std::getenv("THROWING_PART");
  if (throws != nullptr && std::string_view(throws) == part) throw std::runtime_error("no luck");
  return {};
}
template <typename T>
std::unique_ptr<T> Unique(const char* part) { return Make<std::unique_ptr<T>>(part); }
using Bag = const SettingBag&;
const MemtableVariant kMemtable{.name = "m", .make = [](Bag, Arena&) { return Unique<Memtable>("memtable"); }};
const WalVariant kWal{.name = "w", .make = [](Bag, const WalEnvironment&) { return Unique<Wal>("wal"); }};
const TableVariant kTable{.name = "t", .make_builder = [](const TableEnvironment&, const TableBuildContext&,
    FileWriter&) { return Unique<TableBuilder>("table"); }};
const FilterVariant kFilter{.name = "f", .make_builder = [](Bag, double, uint64_t) {
    return Unique<FilterBuilder>("filter"); }};
const CodecVariant kCodec{.name = "c", .id = 200, .make = [](Bag) { return Unique<Codec>("codec"); }};
const CacheVariant kCache{.name = "b", .make = [](Bag) { return Unique<BlockCache>("cache"); }};
const ValuesVariant kValues{.name = "v", .make = [](Bag) { return Unique<ValueStore>("values"); }};
const CompactionVariant kCompaction{.name = "p", .make = [](Bag) { return Unique<CompactionPolicy>("compaction"); }};
const CatalogVariant kCatalog{.name = "g", .make = [](Bag, const CatalogEnvironment&) {
    return Unique<Catalog>("catalog"); }};
const IoVariant kIo{.name = "i", .make = [](Bag) -> Result<std::unique_ptr<Io>> { return Unique<Io>("io"); }};
const ExecutorVariant kExecutor{.name = "e", .make = [](Bag) { return Unique<Executor>("executor"); }};
const PartitionerVariant kPartitioner{.name = "s", .make = [](Bag) { return Unique<Partitioner>("partitioner"); }};
template <auto& row>
constexpr std::remove_reference_t<decltype(row)>* kRow[] = {&row};
const Plugin kPlugin = {CompiledIdentity(HASH), "throwing", kRow<kMemtable>, kRow<kWal>, kRow<kTable>,
    kRow<kFilter>, kRow<kCodec>, kRow<kCache>, kRow<kValues>, kRow<kCompaction>, kRow<kCatalog>, kRow<kIo>,
    kRow<kExecutor>, kRow<kPartitioner>};
}
LSMLAB_EXPORT_PLUGIN(lsmlab::kPlugin)
"""
PARTS = ("memtable", "wal", "table", "filter", "codec", "cache", "values", "compaction", "catalog",
         "io", "executor", "partitioner")  # fmt: skip
# A codec that leaves out the eighth bit of bytes that lack it, and built-in variants of other parts
# under names of their own.
GOOD = """
#include "engine/parts/plugin.h"
#include "variants/executor/inline_executor.cc"
#include "variants/executor/stepped_executor.cc"
#include "variants/values/separated_values.cc"
namespace lsmlab {
class SevenBits final : public Codec {
  static size_t Packed(size_t raw) { return (raw * 7 + 7) / 8; }
  std::string_view name() const noexcept override { return "seven-bits"; }
  bool Compress(Slice raw, std::string& out) const override {
    if (Packed(raw.size()) > raw.size() - raw.size() / 8 || raw.size() < 8) return false;
    for (const char c : raw) if (c < 0) return false;
    const size_t start = out.size();
    out.resize(start + Packed(raw.size()));
    for (size_t bit = 0; bit < 7 * raw.size(); ++bit) {
      out[start + bit / 8] |= static_cast<char>((raw[bit / 7] >> bit % 7 & 1) << bit % 8);
    }
    return true;
  }
  Status Decompress(Slice packed, char* raw, size_t raw_size) const override {
    const Status damage = Status::Corruption("bytes of seven bits, found others");
    if (packed.size() != Packed(raw_size)) return damage;
    std::memset(raw, 0, raw_size);
    for (size_t bit = 0; bit < 8 * packed.size(); ++bit) {
      const int one = packed[bit / 8] >> bit % 8 & 1;
      if (bit < 7 * raw_size) raw[bit / 7] |= static_cast<char>(one << bit % 7);
      else if (one != 0) return damage;
    }
    return {};
  }
};
template <typename V>
V Renamed(V row, std::string_view name) { row.name = name; return row; }
const CodecVariant kCodec{.name = "seven-bits", .id = 201, .summary = "s", .settings = {},
    .make = [](const SettingBag&) -> std::unique_ptr<Codec> { return std::make_unique<SevenBits>(); }};
const ValuesVariant kValues = Renamed(kSeparatedValues, "my-values");
const ExecutorVariant kExecutor = Renamed(kInlineExecutor, "my-executor");
class MyOnly final : public Partitioner {
  uint32_t shards() const noexcept override { return 1; }
  uint32_t ShardOf(Slice) const noexcept override { return 0; }
  std::string identity() const override { return IDENTITY; }
};
const PartitionerVariant kPartitioner{.name = "my-only", .summary = "s", .settings = {},
    .make = [](const SettingBag&) -> std::unique_ptr<Partitioner> { return std::make_unique<MyOnly>(); }};
template <auto& row>
constexpr std::remove_reference_t<decltype(row)>* kRow[] = {&row};
const Plugin kPlugin = {.identity = CompiledIdentity(HASH), .name = "good", .codecs = kRow<kCodec>,
    .values = kRow<kValues>, .executors = kRow<kExecutor>, .partitioners = kRow<kPartitioner>};
}
LSMLAB_EXPORT_PLUGIN(lsmlab::kPlugin)
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

    def compile(self, name, *defines, text=BROKEN):
        """A plugin of the test's own; -O0, for it is hardly used."""
        source, target = self.write(name + ".cc", text), self.path(name + ".so")
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
        self.bad(2, "variants", "--plugin", throws, says=("factory of filter 'mine' threw", "no room"))
        for extra, says in (("&kFilter", "'mine': the name is taken"), ("nullptr", "without a name")):
            twice = self.compile("twice", mine, '-DNAME="mine"', "-DEXTRA=" + extra)
            self.bad(2, "variants", "--plugin", twice, says=(says,))

    def test_a_factory_that_throws_is_refused_whatever_its_part(self):
        throwing = self.compile("throwing", '-DHASH="' + self.contract() + '"', text=THROWING)
        self.good("variants", "--plugin", throwing)
        for part in PARTS:
            with unittest.mock.patch.dict(os.environ, {"THROWING_PART": part}):
                self.bad(2, "variants", "--plugin", throwing,
                         says=("the factory of " + part + " '", "threw: no luck"))  # fmt: skip

    def test_other_parts_conform_and_a_codec_is_named_wherever_one_can_be(self):
        mine = '-DHASH="' + self.contract() + '"'
        # Whose stores would open under another partitioner.
        bad = self.compile("bad", mine, '-DIDENTITY="single"', text=GOOD)
        code, out, _ = self.call("check", "--plugin", bad, timeout=300)
        self.assertEqual(code, 1, out)
        self.assertIn("OtherShardsAreAnotherIdentity/my_only_1", out)
        self.assertIn("does not conform", out)
        good = self.compile("good", mine, '-DIDENTITY="my only"', text=GOOD)
        out = self.good("check", "--plugin", good, timeout=300)
        self.assertNotIn(" 0 tests", out)
        for suite in ("codec_conformance_test", "table_conformance_test", "async_test"):
            self.assertIn(suite, out)
        for part, setting in (("codec", "per_level"), ("values", "codec")):
            listed = self.good("variants", "--part", part, "--plugin", good)
            self.assertIn("none|lz4|zstd|seven-bits", listed.replace(", ", "|"))
        self.bad(2, "bench", "--plugin", good, "--set", "engine.codec.per_level=none,eight-bits",
                 says=("--set", "engine.codec.per_level", "none|lz4|zstd|seven-bits"))  # fmt: skip
        self.bad(2, "bench", "--set", "engine.codec.per_level=seven-bits",
                 says=("engine.codec.per_level", "none|lz4|zstd"))  # fmt: skip
        self.good(
            "bench", "--plugin=" + good, "--set", "engine.codec.per_level=none,seven-bits",
            "--set", "engine.values.variant=my-values", "--set", "engine.values.codec=seven-bits",
            "--set", "engine.memtable.size=256KiB", "-p", "recordcount=5000",
            "-p", "operationcount=1000", "--workload", "ycsb-c", "--out", self.path("out"),
            timeout=300)  # fmt: skip
        run = [r for r in self.records(self.path("out")) if r["phase"] == "run"][0]
        self.assertTrue(run["complete"], run)


if __name__ == "__main__":
    main()
