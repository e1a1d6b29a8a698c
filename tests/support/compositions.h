#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "engine/composition.h"

namespace lsmlab::test {

using Settings = std::vector<std::pair<std::string, std::string>>;

// A composition under test: a preset, made so small that a few thousand operations flush, compact
// and fill three levels, and what differs from it.
struct TestComposition {
  std::string name;    // for test names: letters, digits, underscores
  std::string preset;  // empty: the registry's defaults
  Settings changes;    // "engine.<part>.<setting>" and text
  // A test double in place of what the registry offers; null: none.
  const PartitionerVariant* partitioner = nullptr;

  // What GoogleTest shows of it.
  friend void PrintTo(const TestComposition& composition, std::ostream* out) {
    *out << composition.name;
  }
};

// Composes it; a mistake ends the test program.
Composition ComposeSmall(const TestComposition& wanted, const Settings& more = {});

// The shipped presets: the two that everything is measured with, baseline and fast, and the others,
// which are made of parts that OnePartVariations exchanges one by one.
std::vector<TestComposition> MainPresets();
std::vector<TestComposition> OtherPresets();
// The log `ring` with small slots, `direct` or through the page cache.
TestComposition RingComposition(bool direct);
// Callers' reads and writes on pools of two workers each, behind queues so short that callers wait.
TestComposition PooledComposition();
// The catalog `footers`, whose marks soon make a new record due; also with values in small value
// files and `tiered`.
std::vector<TestComposition> FootersCompositions();
// Values in small value files, so that their garbage is collected soon.
std::vector<TestComposition> SeparatedCompositions();
// Of the partitioner `first-byte`: what most keys of key_space.h begin with alike, up to their last
// digit.
inline constexpr const char* kLastDigit = "9";
// The shipped partitioners with 2 and 7 shards.
std::vector<TestComposition> ShardedCompositions();
// The default with one part exchanged: each memtable, block layout, cache, filter, codec and log
// sync setting of the registry appears at least once. Also the test double of part_doubles.h.
std::vector<TestComposition> OnePartVariations();

}  // namespace lsmlab::test
