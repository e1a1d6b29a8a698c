// Time per operation of every memtable of the registry, not sealed, at 1,000,000 entries of
// 100-byte values unless --entries=N says otherwise. Reference figures: a native build, one pinned
// core. Memory is kept from one filling to the next, as a store does from memtable to memtable, so
// that first touches of pages are not among what is measured:
//   taskset -c 1 memtable_bench --benchmark_repetitions=5 --benchmark_report_aggregates_only=true

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "engine/base/arena.h"
#include "engine/base/random.h"
#include "engine/parts/memtable.h"
#include "variants/registry.h"

namespace lsmlab {
namespace {

enum class Keys { kRandom, kYcsb };

uint64_t entries = 1'000'000;

size_t KeyBytes(Keys keys) { return keys == Keys::kRandom ? 16 : 24; }

// Key number i: 16 random bytes, or "user" and 20 digits of a 64-bit hash.
void WriteKey(Keys keys, uint64_t i, char* out) {
  uint64_t state = i;
  const uint64_t a = Random::SplitMix(state);
  const uint64_t b = Random::SplitMix(state);
  if (keys == Keys::kRandom) {
    std::memcpy(out, &a, 8);
    std::memcpy(out + 8, &b, 8);
  } else {
    char text[25];
    std::snprintf(text, sizeof text, "user%020llu", static_cast<unsigned long long>(a));
    std::memcpy(out, text, 24);
  }
}

// Keys in the order of use, side by side: fetching the next one is no miss.
class KeyStream {
 public:
  KeyStream(Keys keys, const std::vector<uint64_t>& numbers)
      : width_(KeyBytes(keys)), bytes_(numbers.size() * width_, '\0') {
    for (size_t i = 0; i < numbers.size(); ++i) WriteKey(keys, numbers[i], &bytes_[i * width_]);
  }
  Slice Next() {
    const Slice key(bytes_.data() + at_, width_);
    at_ += width_;
    if (at_ == bytes_.size()) at_ = 0;
    return key;
  }

 private:
  size_t width_;
  std::string bytes_;
  size_t at_ = 0;
};

// Numbers first .. first+count-1 in random order.
KeyStream Shuffled(Keys keys, uint64_t first, uint64_t seed) {
  std::vector<uint64_t> numbers(entries);
  std::iota(numbers.begin(), numbers.end(), first);
  Random random(seed);
  for (size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[random.Below(i)]);
  return KeyStream(keys, numbers);
}

struct Filled {
  Filled(const MemtableVariant& variant) {
    SettingBag bag = DefaultSettings(variant.settings);
    bag.Set("size", static_cast<int64_t>(entries * 160));
    memtable = variant.make(bag, arena);
  }
  void Fill(KeyStream& stream) {
    const std::string value(100, 'v');
    for (uint64_t i = 1; i <= entries; ++i) {
      memtable->Add(stream.Next(), MakeTag(i, EntryKind::kPut), value);
    }
  }
  Arena arena;
  std::unique_ptr<Memtable> memtable;
};

// One iteration fills a memtable; the time counted is per entry.
void Insert(benchmark::State& state, const MemtableVariant* variant, Keys keys) {
  KeyStream stream = Shuffled(keys, 0, 1);
  double bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto filled = std::make_unique<Filled>(*variant);
    state.ResumeTiming();
    filled->Fill(stream);
    state.PauseTiming();
    bytes = static_cast<double>(filled->arena.used_bytes()) / static_cast<double>(entries);
    filled.reset();
    state.ResumeTiming();
  }
  state.counters["per_entry"] =
      benchmark::Counter(static_cast<double>(state.iterations() * entries),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes"] = bytes;
}

// The filled memtable of the benchmarks that read; one at a time.
const Memtable& FilledOnce(const MemtableVariant* variant, Keys keys) {
  static std::unique_ptr<Filled> filled;
  static const MemtableVariant* filled_variant = nullptr;
  static Keys filled_keys;
  if (filled_variant != variant || filled_keys != keys) {
    filled.reset();
    filled = std::make_unique<Filled>(*variant);
    KeyStream stream = Shuffled(keys, 0, 1);
    filled->Fill(stream);
    filled_variant = variant;
    filled_keys = keys;
  }
  return *filled->memtable;
}

void Get(benchmark::State& state, const MemtableVariant* variant, Keys keys, bool hit) {
  const Memtable& memtable = FilledOnce(variant, keys);
  KeyStream stream = Shuffled(keys, hit ? 0 : entries, 2);
  uint64_t found = 0;
  for (auto _ : state) {
    LookupFold fold(kMaxSequence);
    memtable.Get(LookupKey(stream.Next(), kMaxSequence), fold);
    found += fold.state() == LookupFold::State::kFound;
  }
  if (found != (hit ? static_cast<uint64_t>(state.iterations()) : 0)) {
    state.SkipWithError("wrong answers");
  }
}

void Seek(benchmark::State& state, const MemtableVariant* variant, Keys keys) {
  const Memtable& memtable = FilledOnce(variant, keys);
  KeyStream stream = Shuffled(keys, 0, 3);
  auto it = memtable.NewIterator();
  uint64_t valid = 0;
  for (auto _ : state) {
    valid += it->Seek(stream.Next(), kMaxTag).Take().ok() && it->valid();
  }
  if (valid != static_cast<uint64_t>(state.iterations())) state.SkipWithError("wrong answers");
}

void Next(benchmark::State& state, const MemtableVariant* variant, Keys keys) {
  const Memtable& memtable = FilledOnce(variant, keys);
  auto it = memtable.NewIterator();
  uint64_t sum = 0;
  for (auto _ : state) {
    const Status status = it->valid() ? it->Next().Take() : it->SeekToFirst().Take();
    sum += status.ok() && it->valid() ? it->tag() : 0;
  }
  benchmark::DoNotOptimize(sum);
}

void Register(const MemtableVariant* variant, Keys keys) {
  const std::string suffix =
      "/" + std::string(variant->name) + (keys == Keys::kRandom ? "/random" : "/ycsb");
  const auto add = [&](const char* name, auto... arguments) {
    return benchmark::RegisterBenchmark((name + suffix).c_str(), arguments...);
  };
  add("get_hit", Get, variant, keys, true);
  add("get_miss", Get, variant, keys, false);
  add("seek", Seek, variant, keys);
  add("next", Next, variant, keys);
  add("insert", Insert, variant, keys)->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace lsmlab

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    if (!argument.starts_with("--entries=")) return 2;
    lsmlab::entries = std::strtoull(argv[i] + 10, nullptr, 10);
    if (lsmlab::entries == 0) return 2;
  }
  for (const lsmlab::MemtableVariant* variant : lsmlab::MemtableVariants()) {
    for (lsmlab::Keys keys : {lsmlab::Keys::kRandom, lsmlab::Keys::kYcsb}) {
      lsmlab::Register(variant, keys);
    }
  }
  const lsmlab::Arena::Reserve arenas_keep(lsmlab::entries * 400);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_MMAP_MAX, 0);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
