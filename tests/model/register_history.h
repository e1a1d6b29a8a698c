#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lsmlab::test {

// All calls of all callers on one register: a key, or keys that are only written together. Each
// write has a number of its own, by which a read says what it saw. Moments rise, and no two are the
// same; a call lies between its first and its last one.
class RegisterHistory {
 public:
  void Wrote(uint64_t operation, uint64_t called, uint64_t returned) {
    calls_.push_back({operation, called, returned, true});
  }
  // Operation 0: there was nothing yet.
  void Saw(uint64_t operation, uint64_t called, uint64_t returned) {
    calls_.push_back({operation, called, returned, false});
  }

  // Empty when the calls can be put into one order in which each lies within its moments and each
  // read sees the write before it; else what stands against that. REQUIRES: all calls have
  // returned.
  std::string Contradiction() const;

 private:
  struct Call {
    uint64_t operation, called, returned;
    bool writes;
  };
  std::vector<Call> calls_;
};

}  // namespace lsmlab::test
