#include "engine/tree/version.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "engine/base/random.h"

namespace lsmlab {
namespace {

// Keys whose heads tie, end early, or share prefixes of every length.
std::string RandomKey(Random& random, const std::string& prefix) {
  std::string key = random.OneIn(20) ? prefix.substr(0, random.Below(prefix.size() + 1)) : prefix;
  const uint64_t length = random.Below(12);
  for (uint64_t i = 0; i < length; ++i) {
    key.push_back(
        static_cast<char>("\0\0\x01"
                          "ab\xff"[random.Below(6)]));
  }
  return key;
}

class RunTest : public testing::Test {
 protected:
  ~RunTest() override { Clear(); }
  void Clear() {
    for (TableHandle* table : run_.tables) table->Unref();
    run_ = lsmlab::Run();
  }
  // Tables over some of the gaps between `keys`.
  void Make(const std::set<std::string>& keys, Random& random) {
    Clear();
    auto at = keys.begin();
    while (at != keys.end()) {
      TableEntry entry;
      entry.smallest_key = *at;
      for (uint64_t n = random.Below(3); n > 0 && std::next(at) != keys.end(); --n) ++at;
      entry.largest_key = *at++;
      if (random.OneIn(4) && at != keys.end()) ++at;
      run_.tables.push_back(
          new TableHandle(std::move(entry), nullptr, "", std::make_shared<DoomedFiles>()));
    }
    run_.BuildIndex();
  }
  void Check(const std::string& key) {
    size_t first = 0;
    while (first < run_.tables.size() && run_.tables[first]->entry().largest_key < key) ++first;
    ASSERT_EQ(run_.Find(key), first) << testing::PrintToString(key);
    const bool holds =
        first < run_.tables.size() && run_.tables[first]->entry().smallest_key <= key;
    ASSERT_EQ(run_.FindHolder(key), holds ? first : run_.tables.size())
        << testing::PrintToString(key);
  }

  lsmlab::Run run_;
};

TEST_F(RunTest, FindsTheTableThatALinearSearchFinds) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    const std::string prefix = std::string("user\0\xff key", 11).substr(0, random.Below(12));
    std::set<std::string> keys;
    for (uint64_t n = 1 + random.Below(round % 10 == 0 ? 300 : 20); n > 0; --n) {
      keys.insert(RandomKey(random, prefix));
    }
    Make(keys, random);
    for (const std::string& key : keys) {
      ASSERT_NO_FATAL_FAILURE(Check(key));
      ASSERT_NO_FATAL_FAILURE(Check(key + '\0'));
      ASSERT_NO_FATAL_FAILURE(Check(key.substr(0, key.size() / 2)));
    }
    for (int i = 0; i < 50; ++i) ASSERT_NO_FATAL_FAILURE(Check(RandomKey(random, prefix)));
    ASSERT_NO_FATAL_FAILURE(Check(""));
    ASSERT_NO_FATAL_FAILURE(Check("\xff\xff\xff\xff"));
  }
}

}  // namespace
}  // namespace lsmlab
