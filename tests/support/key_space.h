#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/base/slice.h"

namespace lsmlab::test {

// A small, dense set of keys, so that overwrites and tombstones meet each other: mostly
// "user000123", among them the keys at the edges (empty, zeros, runs of 0xff, 65,535 bytes, a
// common prefix of 254 bytes). `first`: makes several key spaces disjoint but for the edges.
class KeySpace {
 public:
  KeySpace(size_t keys, bool with_edges, size_t first = 0);

  // Uniform over all keys; of the long ones (64 KiB each) one draw in 256.
  const std::string& Draw(Random& random) const;
  // As Draw, or now and then a key near one: never written, between two, before or behind all.
  std::string DrawNear(Random& random) const;
  const std::vector<std::string>& keys() const noexcept { return keys_; }

 private:
  std::vector<std::string> keys_;
  std::vector<std::string> long_keys_;
};

// 0 bytes to 64 KiB, mostly about 100, seldom more than 1 KB, one in 4096 above 64 KiB.
size_t DrawValueLength(Random& random);

}  // namespace lsmlab::test
