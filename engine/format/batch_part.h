#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"

namespace lsmlab {

// What a shard's log says before the operations of a WriteBatch whose keys live on several shards:
// which batch they are a part of, and where its other parts are. With it recovery keeps a batch
// whole or not at all. Grammar at the encoder (batch_part.cc).
struct BatchPart {
  struct Participant {
    uint32_t shard = 0;
    uint64_t log_number = 0;  // of the segment that holds the shard's part
  };
  uint64_t batch = 0;  // the first sequence number of the whole batch
  // Logged durably in every shard before anything else was: so where it is incomplete, it is the
  // last of its log.
  bool durable = false;
  std::vector<Participant> participants;  // all of them, this shard too; shards ascend
};

inline constexpr uint32_t kBatchShardsMax = 1024;

// REQUIRES: two to kBatchShardsMax participants.
void EncodeBatchPart(std::string& out, const BatchPart& part);

// Takes what EncodeBatchPart wrote off the front of a log record's payload. False: the payload does
// not begin with it and is unchanged. Safe on hostile bytes.
Result<bool> TakeBatchPart(Slice* payload, BatchPart* part);

}  // namespace lsmlab
