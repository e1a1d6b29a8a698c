#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/parts/block.h"

// What follows every block of a table file.
//
//   stored block := payload trailer
//   trailer      := codec u8, transform u8 (0: none; 1.. reserved for encryption),
//                   raw size u32 (bytes after decoding), checksum u64
//
// The checksum is XXH3-64 over the payload, under a seed that mixes the table's identity, the
// block's file offset and the other trailer fields: a block that is intact but lies in the wrong
// place, in the wrong table, or under another codec fails like a damaged one.
namespace lsmlab {

inline constexpr size_t kBlockTrailerBytes = 14;
// Largest block after decoding: one entry of the largest size, with room for its header.
inline constexpr size_t kMaxRawBlockBytes = (64u << 20) + (128u << 10);

// A block's place in its file. `size` is the payload's; the trailer follows.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;
};

struct BlockTrailer {
  uint8_t codec = 0;
  uint32_t raw_size = 0;
};

inline uint64_t TableSeed(const TableId& id) noexcept { return MixSeed(id.high, id.low); }

// Writes kBlockTrailerBytes to `out`.
void EncodeBlockTrailer(Slice payload, BlockTrailer trailer, uint64_t table_seed, uint64_t offset,
                        char* out) noexcept;

// `stored` is payload and trailer as read from `offset`. Corruption names path, offset, expected
// and found, also of a block that is larger than `most` when decoded. REQUIRES: stored.size() >=
// kBlockTrailerBytes.
Result<BlockTrailer> CheckBlockTrailer(Slice stored, uint64_t table_seed, uint64_t offset,
                                       std::string_view path, uint64_t most = kMaxRawBlockBytes);

// "corruption: PATH offset N: expected E, found F".
Status DamageAt(std::string_view path, uint64_t offset, std::string_view expected,
                std::string_view found);
std::string HexWord(uint64_t word);

}  // namespace lsmlab
