#pragma once

#include <cstdint>
#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"

namespace lsmlab {

// What is fixed for the life of a store: the file IDENTITY in its folder. Text, one "name value" a
// line, the last line a checksum over all before it:
//
//   lsmlab-store 1
//   store_id <16 hex digits>          mixed into every log and catalog checksum
//   partitioner <identity>            see Partitioner::identity
//   shards <decimal>
//   state creating|ready              creating: nothing was acknowledged yet
//   checksum <16 hex digits>
struct StoreIdentity {
  uint64_t store_id = 0;
  std::string partitioner;
  uint32_t shards = 1;
  bool ready = false;
};

inline constexpr size_t kIdentityBytesMax = 4096;

std::string EncodeIdentity(const StoreIdentity& identity);
// `path` for the error message.
Result<StoreIdentity> DecodeIdentity(Slice text, const std::string& path);

}  // namespace lsmlab
