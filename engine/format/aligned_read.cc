#include "engine/format/aligned_read.h"

#include <cstring>

namespace lsmlab {

AlignedRange::AlignedRange(const IoFile& file, uint64_t from, uint64_t size) noexcept {
  const uint64_t alignment = file.alignment();
  offset = from / alignment * alignment;
  skip = static_cast<size_t>(from - offset);
  needed = skip + static_cast<size_t>(size);
  length = static_cast<size_t>((needed + alignment - 1) / alignment * alignment);
}

Task<Status> ReadInto(Io& io, IoSite site, IoFile& file, uint64_t offset, uint64_t size, char* to) {
  if (file.alignment() == 1) {
    co_return co_await ReadExactly(io, site, file, offset, to, static_cast<size_t>(size));
  }
  const AlignedRange range(file, offset, size);
  ReadBuffer buffer(io, range.length);
  LSMLAB_CO_TRY(co_await ReadAtLeast(io, site, file, range.offset, buffer.data(), range.length,
                                     range.needed));
  std::memcpy(to, buffer.data() + range.skip, static_cast<size_t>(size));
  co_return Status();
}

}  // namespace lsmlab
