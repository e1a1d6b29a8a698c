#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/block_trailer.h"
#include "engine/parts/block.h"

// The last 128 bytes of every table file.
//
//   footer := table id (high u64, low u64), index handle, filter handle, properties handle,
//             file size u64, mandatory features u32, optional features u32, version u32 (1),
//             format u32, dictionary handle, zero[8], checksum u64, magic u64
//   handle := offset u64, size u64              (payload; its trailer follows; 0 0: there is none)
//
// The checksum covers all bytes before it. A reader refuses a mandatory feature bit that it does
// not know and ignores an optional one. Mandatory bits:
//
//   1   there is a dictionary: compressed blocks of its codec refer to it
namespace lsmlab {

inline constexpr size_t kTableFooterBytes = 128;
inline constexpr uint64_t kTableMagic = 0x656c6261746d736cull;  // "lsmtable" read as bytes
inline constexpr uint32_t kTableVersion = 1;
inline constexpr uint32_t kFeatureDictionary = 1;
inline constexpr uint32_t kKnownMandatoryFeatures = kFeatureDictionary;

// How the pieces between the footer and the data are organised. Never reuse or change.
enum class TableFormat : uint32_t { kFlat = 1, kPartitioned = 2 };

struct TableFooter {
  TableId id;
  BlockHandle index, filter, properties, dictionary;
  uint64_t file_size = 0;  // with the footer: a file that was cut or extended fails
  // The encoder adds kFeatureDictionary where there is a dictionary.
  uint32_t mandatory_features = 0, optional_features = 0;
  TableFormat format = TableFormat::kFlat;
};

// Writes kTableFooterBytes to `out`.
void EncodeTableFooter(const TableFooter& footer, char* out) noexcept;

// `bytes` are the last kTableFooterBytes of a file of `file_size` bytes. ENSURES: every handle with
// its trailer lies within the file, before the footer.
Result<TableFooter> DecodeTableFooter(Slice bytes, uint64_t file_size, std::string_view path);

}  // namespace lsmlab
