// What one table costs in memory: filter, index, cached point reads, seeks, walks, building.
//   cmake --preset release -B build-native -DLSMLAB_ARCH=native && ninja -C build-native
//   table_bench taskset -c 1 build-native/tests/table_bench
// Figures are throughput loops: the processor overlaps neighbouring operations.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "tests/support/table_fixture.h"
#include "variants/table/block_index.h"

namespace lsmlab::test {
namespace {

size_t entry_count = 1'000'000;

// Key i of a permutation of 64-bit numbers, as 16 bytes; present keys have an even last byte.
std::string KeyOf(uint64_t i, bool present) {
  uint64_t state = i;
  const uint64_t high = Random::SplitMix(state);
  const uint64_t low = Random::SplitMix(state) & ~uint64_t{1 << 24};
  std::string key(16, '\0');
  StoreLe<uint64_t>(key.data(), __builtin_bswap64(high));
  StoreLe<uint64_t>(key.data() + 8, present ? low : low | 1 << 24);
  return key;
}

TableParts Fast() {
  TableParts parts;
  parts.layout = "slotted";
  parts.filter = &kBlockedBloomFilter;
  parts.cache = &kSwizzledCache;
  return parts;
}
TableParts Indexed() {
  TableParts parts = Fast();
  parts.entry_index = "hash";
  return parts;
}
TableParts Textbook() {
  TableParts parts;
  parts.restart_interval = 16;
  parts.shards = 64;
  return parts;
}

struct Fixture {
  explicit Fixture(TableParts parts) : home(Sized(parts)) {
    std::vector<std::pair<std::string, uint64_t>> keys;
    for (uint64_t i = 0; i < entry_count; ++i) keys.emplace_back(KeyOf(i, true), i);
    std::sort(keys.begin(), keys.end());
    const std::string value(100, 'v');
    home.Build("t", [&](TableBuilder& builder, FileWriter& writer) {
      for (const auto& [key, i] : keys) {
        TableHome::Must(builder.Add(key, MakeTag(i + 1, EntryKind::kPut), value));
        if (writer.NeedsFlush()) TableHome::Must(Finish(writer.Flush()));
      }
    });
    table = std::move(home.Open("t")).value();
    // Loaded in random order, so that neighbouring blocks lie apart in memory.
    Random random(1);
    for (size_t i = 0; i < 4 * entry_count / 30; ++i) Load(random.Below(entry_count));
    auto it = table->NewIterator({});
    for (TableHome::Must(Finish(it->SeekToFirst())); it->valid();)
      TableHome::Must(Finish(it->Next()));
  }
  static TableParts Sized(TableParts parts) {
    parts.block_bytes = 4096;
    parts.cache_bytes = 1u << 30;
    return parts;
  }
  void Load(uint64_t i) {
    const std::string key = KeyOf(i, true);
    LookupFold fold(kMaxSequence);
    TableReadCounters counters;
    TableHome::Must(Finish(table->Get(LookupKey(key, kMaxSequence), fold, counters)));
  }
  TableHome home;
  std::unique_ptr<Table> table;
};

Fixture& Of(int which) {
  static std::unique_ptr<Fixture> fixtures[3];
  if (fixtures[which] == nullptr) {
    fixtures[which] = std::make_unique<Fixture>(which == 0   ? Fast()
                                                : which == 1 ? Textbook()
                                                             : Indexed());
  }
  return *fixtures[which];
}

// Fresh keys for every measurement, in an array of their own.
std::vector<std::string> Queries(uint64_t seed, bool present) {
  Random random(seed);
  std::vector<std::string> keys;
  for (int i = 0; i < 1 << 18; ++i) keys.push_back(KeyOf(random.Below(entry_count), present));
  return keys;
}
uint64_t NextSeed() {
  static uint64_t seed = 100;
  return ++seed;
}

void GetLoop(benchmark::State& state, bool present, bool isolated) {
  Fixture& f = Of(static_cast<int>(state.range(0)));
  const auto keys = Queries(NextSeed(), present);
  size_t i = 0, found = 0;
  TableReadCounters counters;
  const TableFilter filter = f.table->filter();
  for (auto _ : state) {
    if (isolated) __builtin_ia32_lfence();
    const LookupKey lookup(keys[i++ & (keys.size() - 1)], kMaxSequence);
    const ReadGuard guard;
    LookupFold fold(kMaxSequence);
    if (filter.MayContain(lookup, counters)) {
      if (!f.table->TryGet(lookup, fold, guard, counters)) std::abort();
    }
    found += fold.done();
    benchmark::DoNotOptimize(fold.value().data());
  }
  if ((found == 0) == present) std::abort();
}
void GetHit(benchmark::State& state) { GetLoop(state, true, false); }
void GetHitIsolated(benchmark::State& state) { GetLoop(state, true, true); }
void GetMiss(benchmark::State& state) { GetLoop(state, false, false); }
void GetMissIsolated(benchmark::State& state) { GetLoop(state, false, true); }

void SeekLoop(benchmark::State& state, bool isolated) {
  Fixture& f = Of(static_cast<int>(state.range(0)));
  const auto keys = Queries(NextSeed(), true);
  auto it = f.table->NewIterator({});
  size_t i = 0;
  for (auto _ : state) {
    if (isolated) __builtin_ia32_lfence();
    const std::string& key = keys[i++ & (keys.size() - 1)];
    auto result = it->Seek(key, kMaxTag);
    if (!result.ready() || !it->valid()) std::abort();
    benchmark::DoNotOptimize(it->value().data());
  }
}
void SeekRandom(benchmark::State& state) { SeekLoop(state, false); }
void SeekIsolated(benchmark::State& state) { SeekLoop(state, true); }

// The whole table over and over: blocks are cold, entries in order.
void NextCold(benchmark::State& state) {
  Fixture& f = Of(static_cast<int>(state.range(0)));
  auto it = f.table->NewIterator({});
  TableHome::Must(Finish(it->SeekToFirst()));
  for (auto _ : state) {
    if (!it->valid()) TableHome::Must(Finish(it->SeekToFirst()));
    benchmark::DoNotOptimize(it->key().data());
    auto result = it->Next();
    if (!result.ready()) std::abort();
  }
}

// The first 300 entries over and over.
void NextHot(benchmark::State& state) {
  Fixture& f = Of(static_cast<int>(state.range(0)));
  auto it = f.table->NewIterator({});
  TableHome::Must(Finish(it->SeekToFirst()));
  int left = 300;
  for (auto _ : state) {
    if (--left == 0) {
      TableHome::Must(Finish(it->SeekToFirst()));
      left = 300;
    }
    benchmark::DoNotOptimize(it->key().data());
    auto result = it->Next();
    if (!result.ready()) std::abort();
  }
}

void FilterProbes(benchmark::State& state) {
  const FilterVariant& variant = state.range(0) == 0 ? kBlockedBloomFilter : kBloomFilter;
  auto builder = variant.make_builder({}, 10, 5 * entry_count);
  Random random(3);
  for (size_t i = 0; i < 5 * entry_count; ++i) builder->Add({}, random.Next());
  std::string encoded;
  builder->Finish(encoded);
  AlignedBytes bytes(encoded.size());
  std::memcpy(bytes.data(), encoded.data(), encoded.size());
  const FilterProbe probe = variant.open(Slice(bytes.data(), encoded.size())).value();
  uint64_t hash = 1, found = 0;
  for (auto _ : state) {
    found += probe.may_contain(bytes.data(), encoded.size(), Random::SplitMix(hash));
  }
  benchmark::DoNotOptimize(found);
}

void IndexFind(benchmark::State& state) {
  table_internal::IndexWriter writer;
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 145'000; ++i) keys.push_back(KeyOf(i, true));
  std::sort(keys.begin(), keys.end());
  for (uint64_t i = 0; i < keys.size(); ++i) writer.Add(BlockHandle{24 * i, 10}, false, keys[i], 1);
  const auto index = table_internal::BlockIndex::Open(writer.Finish(), keys[0], 1u << 30);
  const auto queries = Queries(NextSeed(), true);
  size_t i = 0;
  uint64_t sum = 0;
  for (auto _ : state) sum += index->Find(queries[i++ & (queries.size() - 1)], kMaxTag);
  benchmark::DoNotOptimize(sum);
}

void Build(benchmark::State& state) {
  TableHome home(Fixture::Sized(state.range(0) == 0 ? Fast() : Textbook()));
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < entry_count; ++i) keys.push_back(KeyOf(i, true));
  std::sort(keys.begin(), keys.end());
  std::string packed;  // in order: a sorted vector of strings costs a miss per key
  for (const std::string& key : keys) packed += key;
  const std::string value(100, 'v');
  int file = 0;
  home.io().DiscardWrites();
  for (auto _ : state) {
    home.Build(std::to_string(file++), [&](TableBuilder& builder, FileWriter& writer) {
      for (size_t at = 0; at < packed.size(); at += 16) {
        TableHome::Must(builder.Add(Slice(packed).substr(at, 16), 257, value));
        if (writer.NeedsFlush()) TableHome::Must(Finish(writer.Flush()));
      }
    });
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(keys.size()));
}

// Argument 0: slotted, blocked-bloom, swizzled. 1: restarts 16, bloom, lru. 2: as 0, with a hash
// index over the entries.
BENCHMARK(GetHit)->Arg(0)->Arg(1)->Arg(2);
BENCHMARK(GetHitIsolated)->Arg(0)->Arg(1)->Arg(2);
BENCHMARK(GetMiss)->Arg(0)->Arg(1)->Arg(2);
BENCHMARK(GetMissIsolated)->Arg(0)->Arg(1)->Arg(2);
BENCHMARK(SeekRandom)->Arg(0)->Arg(1);
BENCHMARK(SeekIsolated)->Arg(0)->Arg(1);
BENCHMARK(NextHot)->Arg(0)->Arg(1);
BENCHMARK(NextCold)->Arg(0)->Arg(1);
BENCHMARK(FilterProbes)->Arg(0)->Arg(1);
BENCHMARK(IndexFind);
BENCHMARK(Build)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace lsmlab::test

// --entries=N: entries of the table, 1 M unless said; few for a smoke test.
int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind("--entries=", 0) == 0) {
      lsmlab::test::entry_count = std::strtoull(argument.c_str() + 10, nullptr, 10);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
