#pragma once

#include <cstdint>
#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"

namespace lsmlab {

// Encoded operations, as they stand in a WriteBatch and in a log record's payload:
//   payload := operation*
//   operation := kind:u8 tree:varint key_bytes:varint key value_bytes:varint value
// kinds put(1), delete(2), merge(3), range-delete(4; key = begin, value = end).
void EncodeOperation(std::string& out, EntryKind kind, uint32_t tree, Slice key, Slice value);

struct Operation {
  EntryKind kind;
  uint32_t tree;
  Slice key;
  Slice value;
};

// Walks a payload. Safe on hostile bytes.
class OperationReader {
 public:
  explicit OperationReader(Slice payload) noexcept : rest_(payload) {}
  // False at the end or on damage; then status() says which.
  bool Next(Operation* operation);
  const Status& status() const noexcept { return status_; }

 private:
  Slice rest_;
  Status status_;
};

}  // namespace lsmlab
