#pragma once

#include <cstdint>

#include "engine/base/coding.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/block_trailer.h"
#include "engine/parts/block_cache.h"
#include "engine/parts/filter.h"
#include "variants/table/slotted_block.h"

// A partition of a `partitioned` table: the index of some dozens of data blocks in a row and the
// filter of their keys, together in one block, so that one read brings both.
//
//   partition := filter size u32, number of the first data block u32, filter byte{size}, index
//   index     := a slotted block with one entry per data block: key and tag of its last entry, and
//   value     := offset u64, payload size u32, flags u8 (bit 0: the next block of the table starts
//                with another version of this one's last key)
//
// A partition fills at most kPartitionBytes, so that with its trailer it is one page in the file
// and with its frame one page of memory; only one of a single data block may be larger (long keys,
// or so many keys in a block that their filter is). The filter starts 8 bytes into the block: in
// memory that is where a cache line starts. A key whose versions go on from one partition into the
// next is in the filters of both.
namespace lsmlab::table_internal {

inline constexpr size_t kPartitionBytes = 4096 - kBlockOverhead - kBlockTrailerBytes;
inline constexpr size_t kPartitionHeaderBytes = 8;
inline constexpr size_t kPartitionValueBytes = 13;
static_assert((kBlockDataOffset + kPartitionHeaderBytes) % 64 == 0);

// Where a data block lies, from an entry of the index.
struct PartitionPlace {
  BlockHandle handle;
  bool continues;

  static PartitionPlace Decode(Slice value) noexcept {
    return {{LoadLe<uint64_t>(value.data()), LoadLe<uint32_t>(value.data() + 8)}, value[12] != 0};
  }
  void Encode(char* value) const noexcept {
    StoreLe<uint64_t>(value, handle.offset);
    StoreLe<uint32_t>(value + 8, static_cast<uint32_t>(handle.size));
    value[12] = continues ? 1 : 0;
  }
};

// A partition in memory. Trusts the bytes; a view.
struct PartitionView {
  explicit PartitionView(const char* partition) noexcept
      : filter(partition + kPartitionHeaderBytes),
        filter_bytes(LoadLe<uint32_t>(partition)),
        first_block(LoadLe<uint32_t>(partition + 4)),
        index(filter + filter_bytes) {}
  uint32_t blocks() const noexcept { return index.n; }
  PartitionPlace Place(uint32_t i) const noexcept {
    return PartitionPlace::Decode(index.At(i).value);
  }

  const char* filter;
  uint32_t filter_bytes;
  uint32_t first_block;
  SlottedView index;
};

// What a partition's blocks must fit into.
struct PartitionLimits {
  uint64_t data_end = 0;                  // all data blocks lie before this offset
  uint64_t data_blocks = 0;               // of the table
  const FilterVariant* filter = nullptr;  // null: no partition has a filter
};

// The whole structure of untrusted bytes, which must end with the block that ends with (last_key,
// last_tag). The message says what was expected and found. `probe` receives how to ask the filter.
Status CheckPartition(Slice partition, Slice last_key, Tag last_tag, const PartitionLimits& limits,
                      FilterProbe* probe);

}  // namespace lsmlab::table_internal
