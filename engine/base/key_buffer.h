#pragma once

#include <cstring>
#include <string>

#include "engine/base/slice.h"

namespace lsmlab {

// A copy of a key that allocates only for long keys: iterators keep one, and a scan replaces it at
// every step. Not thread-safe.
class KeyBuffer {
 public:
  KeyBuffer() = default;
  KeyBuffer(const KeyBuffer&) = delete;  // a Slice of it would point into the original
  KeyBuffer& operator=(const KeyBuffer&) = delete;

  // Always inline: at every step of a scan.
  [[gnu::always_inline]] void assign(Slice key) {
    size_ = key.size();
    if (size_ >= 16 && size_ <= 32) [[likely]] {
      // Two moves of fixed size that may overlap instead of a call. Loads first: the key may be
      // ours.
      char first[16], last[16];
      std::memcpy(first, key.data(), 16);
      std::memcpy(last, key.data() + size_ - 16, 16);
      std::memcpy(inline_, first, 16);
      std::memcpy(inline_ + size_ - 16, last, 16);
    } else {
      AssignOther(key);
    }
  }
  operator Slice() const noexcept {
    return Slice(size_ <= sizeof inline_ ? inline_ : long_.data(), size_);
  }

 private:
  [[gnu::noinline]] void AssignOther(Slice key) {
    if (key.size() > sizeof inline_) {
      long_.assign(key);
    } else if (!key.empty()) {
      std::memmove(inline_, key.data(), key.size());
    }
  }

  size_t size_ = 0;
  char inline_[48];
  std::string long_;
};

}  // namespace lsmlab
