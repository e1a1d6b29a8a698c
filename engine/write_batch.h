#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/batch.h"

namespace lsmlab {

// Operations that take effect together or not at all, in order (a later one on the same key wins).
// Copies keys and values. Not thread-safe; reusable after Clear.
class WriteBatch {
 public:
  void Put(Slice key, Slice value) {
    EncodeOperation(payload_, EntryKind::kPut, 0, key, value);
    ++count_;
  }
  void Delete(Slice key) {
    EncodeOperation(payload_, EntryKind::kDelete, 0, key, Slice());
    ++count_;
  }
  // Keeps the memory.
  void Clear() noexcept {
    payload_.clear();
    count_ = 0;
  }
  uint32_t count() const noexcept { return count_; }
  size_t bytes() const noexcept { return payload_.size(); }
  Slice payload() const noexcept { return payload_; }

 private:
  std::string payload_;
  uint32_t count_ = 0;
};

}  // namespace lsmlab
