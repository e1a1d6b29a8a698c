#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lsmlab {

// The bytes of a file in memory, in pages that copies share until one of them writes: copying is
// one pointer per page. Holes read as zeros. Not thread-safe; copies may go to other threads.
class SimContent {
 public:
  static constexpr size_t kPageBytes = 4096;

  uint64_t size() const noexcept { return size_; }
  // Copies what lies inside the file; returns how much that is.
  size_t Read(uint64_t offset, void* to, size_t length) const noexcept;
  void Write(uint64_t offset, const void* from, size_t length);
  void Resize(uint64_t size);
  // Makes the pages of [offset, offset + length) those of `other`, and the size at least as much
  // as lies before their end there.
  void ShareRange(const SimContent& other, uint64_t offset, size_t length);

 private:
  using Page = std::array<char, kPageBytes>;
  // A page that no other content sees.
  Page& OwnPage(size_t index);
  std::vector<std::shared_ptr<Page>> pages_;  // null: zeros
  uint64_t size_ = 0;
};

}  // namespace lsmlab
