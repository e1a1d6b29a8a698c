#pragma once

#include <cstdint>
#include <string>

#include "engine/async/task.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/parts/io.h"

namespace lsmlab {

inline constexpr std::string_view kCurrentName = "CURRENT";
inline constexpr std::string_view kCurrentTempName = "CURRENT.tmp";

// The file CURRENT names the manifest that counts. It is replaced whole by rename, so that after a
// crash either the old or the new name stands there.
//   current := magic:"LSMLABCU" version:u32 shard:u32 manifest:u64 snapshot_bytes:u64 checksum:u64
// checksum covers what is before it, under the store id as seed.
struct Current {
  uint64_t manifest = 0;
  uint64_t snapshot_bytes = 0;  // of the manifest, durable when it was named: all must be intact
};
std::string EncodeCurrent(uint64_t store_id, uint32_t shard, const Current& current);
// `path` is for the message of the Corruption.
Result<Current> DecodeCurrent(uint64_t store_id, uint32_t shard, Slice bytes,
                              const std::string& path);

// Whether a file of this name is one that only a shard with a catalog has.
bool IsShardData(std::string_view name);

// Writes `bytes` beside CURRENT, syncs, renames over it; the directory is the caller's to sync.
// REQUIRES: the manifest and its directory entry are durable. After a failure either name may stand
// there.
Task<Status> ReplaceCurrent(Io& io, std::string directory, std::string bytes);

}  // namespace lsmlab
