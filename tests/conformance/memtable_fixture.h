#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "engine/base/arena.h"
#include "engine/base/random.h"
#include "engine/parts/memtable.h"
#include "tests/support/registered.h"

// What the memtable suites share: a fixture with one memtable, key shapes.
namespace lsmlab {

// Sanitizers make everything ten times slower.
constexpr int Scaled(int count) {
#if defined(LSMLAB_SANITIZED)
  return count / 10;
#else
  return count;
#endif
}

enum class KeyShape {
  kRandom,        // 16 random bytes
  kSequential,    // ascending decimals
  kDescending,    // descending decimals
  kSharedPrefix,  // differ after 50 bytes
  kTables,        // four prefixes of 11 to 13 bytes, random after them
  kYcsb,          // "user" and 20 hashed digits
  kExtremeBytes,  // up to 5 bytes of 0x00, 0x01 and 0xff: prefixes of each other, repeated
  kHot,           // three keys
};
inline constexpr KeyShape kAllShapes[] = {
    KeyShape::kRandom, KeyShape::kSequential, KeyShape::kDescending,   KeyShape::kSharedPrefix,
    KeyShape::kTables, KeyShape::kYcsb,       KeyShape::kExtremeBytes, KeyShape::kHot};

// The i-th key of a shape; the same for the same i.
inline std::string ShapedKey(KeyShape shape, uint64_t i) {
  uint64_t state = i;
  const uint64_t hash = Random::SplitMix(state);
  const auto bytes_of = [](uint64_t v) { return std::string(reinterpret_cast<char*>(&v), 8); };
  const auto padded = [](uint64_t v) {
    const std::string digits = std::to_string(v);
    return std::string(20 - digits.size(), '0') + digits;
  };
  switch (shape) {
    case KeyShape::kRandom:
      return bytes_of(hash) + bytes_of(Random::SplitMix(state));
    case KeyShape::kSequential:
      return padded(i);
    case KeyShape::kDescending:
      return padded(1'000'000'000 - i);
    case KeyShape::kSharedPrefix:
      return std::string(50, 'p') + bytes_of(hash);
    case KeyShape::kTables:
      return "tables/main" + std::string(hash % 3, '/') + char('a' + hash % 4) +
             bytes_of(Random::SplitMix(state));
    case KeyShape::kYcsb:
      return "user" + padded(hash);
    case KeyShape::kExtremeBytes: {
      std::string key;
      for (uint64_t rest = hash >> 8, n = hash % 6; n > 0; --n, rest /= 3) {
        key.push_back("\x00\x01\xff"[rest % 3]);
      }
      return key;
    }
    case KeyShape::kHot:
      return "hot" + std::to_string(i % 3);
  }
  return {};
}

class MemtableTest : public testing::TestWithParam<const MemtableVariant*> {
 protected:
  MemtableTest() { MakeMemtable(); }

  // Replaces the memtable by an empty one. A small `bytes` so that structures sized by it grow.
  void MakeMemtable(int64_t bytes = 64 << 10) {
    memtable_.reset();
    arena_ = std::make_unique<Arena>();
    SettingBag bag = DefaultSettings(GetParam()->settings);
    bag.Set("size", bytes);
    memtable_ = GetParam()->make(bag, *arena_);
  }
  // Memtables never suspend and never fail.
  static void Must(ValueOrTask<Status> result) {
    ASSERT_TRUE(result.ready());
    ASSERT_TRUE(result.Take().ok());
  }

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Memtable> memtable_;
};

}  // namespace lsmlab
