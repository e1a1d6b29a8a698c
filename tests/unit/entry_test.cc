#include "engine/format/entry.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/base/key_buffer.h"
#include "engine/base/random.h"

namespace lsmlab {
namespace {

int Sign(int c) { return c < 0 ? -1 : c > 0 ? 1 : 0; }

// Bytes on both sides of the sign bit, lengths on both sides of a word.
std::string RandomKey(Random& random) {
  std::string key(random.Below(40), 'k');
  for (uint64_t n = random.Below(4); n > 0 && !key.empty(); --n) {
    key[random.Below(key.size())] = static_cast<char>(random.OneIn(2) ? 0x01 : 0xfe);
  }
  return key;
}

TEST(EntryTest, KeysCompareAsSlicesDo) {
  Random random(3);
  for (int i = 0; i < 100'000; ++i) {
    const std::string a = RandomKey(random);
    const std::string b = random.OneIn(8) ? a : RandomKey(random);
    ASSERT_EQ(Sign(CompareKeys(a, b)), Sign(Slice(a).compare(b)))
        << testing::PrintToString(a) << ' ' << testing::PrintToString(b);
    ASSERT_EQ(SameKey(a, b), a == b);
  }
}

TEST(EntryTest, AKeyBufferHoldsWhatItWasGivenAlsoItsOwnEnd) {
  Random random(4);
  KeyBuffer buffer;
  for (int i = 0; i < 10'000; ++i) {
    std::string key(random.Below(80), '\0');
    for (char& c : key) c = static_cast<char>(random.Below(256));
    buffer.assign(key);
    ASSERT_EQ(Slice(buffer), key);
    if (key.size() > 48) continue;
    const size_t skip = random.Below(key.size() + 1);
    buffer.assign(Slice(buffer).substr(skip));
    ASSERT_EQ(Slice(buffer), key.substr(skip));
  }
}

}  // namespace
}  // namespace lsmlab
