#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/parts/io.h"

// Which files bypass the page cache (the setting `direct` of posix and simulated), and what their
// operations must satisfy.
namespace lsmlab {

enum class Direct : uint8_t { kNone, kWrites, kAll };

constexpr size_t kDirectAlignment = 4096;

inline Direct ParseDirect(std::string_view choice) noexcept {
  return choice == "all" ? Direct::kAll : choice == "writes" ? Direct::kWrites : Direct::kNone;
}

// Whether a file opened for `site` is direct: with kWrites the tables and value files that flush
// and compaction write and logs of durable writes, with kAll also their reads. Other logs and
// catalogs are buffered.
inline bool IsDirect(Direct direct, IoSite site) noexcept {
  switch (site) {
    case IoSite::kFlush:
    case IoSite::kCompactionWrite:
    case IoSite::kValueFile:
    case IoSite::kDurableWal:
      return direct != Direct::kNone;
    case IoSite::kBlockRead:
    case IoSite::kValueRead:
    case IoSite::kValueCollect:
    case IoSite::kTableOpen:
    case IoSite::kCompactionRead:
      return direct == Direct::kAll;
    default:
      return false;
  }
}

// Of a kRead or kWrite: whether offset, length and memory fit the file.
inline bool IsAligned(const IoOp& op) noexcept {
  const uint64_t mixed = op.offset | op.length | reinterpret_cast<uintptr_t>(op.data);
  return mixed % op.file->alignment() == 0;
}

inline Status Misaligned(const IoOp& op) {
  return Status::InvalidArgument(op.file->path() + " offset " + std::to_string(op.offset) +
                                 " length " + std::to_string(op.length) +
                                 ": offset, length and memory of a direct file must be multiples "
                                 "of 4096");
}

constexpr SettingSpec kDirectSetting{
    "direct",
    SettingType::kChoice,
    "none",
    0,
    0,
    "none|writes|all",
    "which files bypass the page cache: none, those being written by flush and compaction and the "
    "segments of a ring log with sync = group or every, or also tables and value files being read; "
    "where the file system refuses that, opening fails and says so"};

}  // namespace lsmlab
