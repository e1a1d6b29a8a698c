#include "tests/support/key_space.h"

#include <cstdio>

namespace lsmlab::test {
namespace {

constexpr size_t kLongest = 65'535;

}  // namespace

KeySpace::KeySpace(size_t keys, bool with_edges, size_t first) {
  if (with_edges) {
    keys_ = {"",
             std::string(1, '\0'),
             std::string(2, '\0'),
             "a",
             std::string("a\0", 2),
             std::string(1, '\xff'),
             std::string(7, '\xff'),
             std::string(8, '\xff'),
             std::string(9, '\xff'),
             std::string(300, '\xff')};
    const std::string prefix(254, 'p');
    keys_.push_back(prefix);
    for (const char* tail : {"", "a", "aa", "b", "b\xff", "c1234567", "c12345678", "c12345679"}) {
      keys_.push_back(prefix + "q" + tail);
    }
    std::string longest(kLongest, 'm');
    long_keys_.push_back(longest);
    longest.back() = 'n';
    long_keys_.push_back(longest);
    long_keys_.push_back(longest.substr(1));
    long_keys_.push_back(std::string(kLongest, '\xff'));
  }
  char name[32];
  for (size_t i = keys_.size(); i < keys; ++i) {
    std::snprintf(name, sizeof name, "user%06zu", first + i);
    keys_.emplace_back(name);
  }
}

const std::string& KeySpace::Draw(Random& random) const {
  if (!long_keys_.empty() && random.OneIn(256)) return long_keys_[random.Below(long_keys_.size())];
  return keys_[random.Below(keys_.size())];
}

std::string KeySpace::DrawNear(Random& random) const {
  std::string key = Draw(random);
  switch (random.Below(8)) {
    case 0:
      if (key.size() < kLongest) key.push_back('\0');
      break;
    case 1:
      if (!key.empty()) key.pop_back();
      break;
    case 2:
      if (!key.empty()) key.back() = static_cast<char>(key.back() + 1);
      break;
    default:
      break;
  }
  return key;
}

size_t DrawValueLength(Random& random) {
  const uint64_t kind = random.Below(4096);
  if (kind == 0) return 65'536 + random.Below(65'536);
  if (kind < 8) return random.Below(65'537);
  if (kind < 64) return random.Below(4097);
  if (kind < 256) return random.Below(8);
  return random.Below(256);
}

}  // namespace lsmlab::test
