#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/base/coding.h"
#include "engine/base/slice.h"
#include "engine/base/status.h"

// A record is stored as one value:  record := { field }*   field := varint(length) bytes
// Fields have positions, not names. Stores see only the bytes.
namespace lsmlab::workloads {

// Replaces the contents of `out` by the encoded fields.
void EncodeRecord(std::span<const Slice> fields, std::string* out);

// Replaces the contents of `out` by `record` with field number `field` (from 0) exchanged; the new
// bytes may be shorter or longer. REQUIRES: neither slice points into `out`. Corruption when the
// record's bytes are damaged, InvalidArgument when it has no such field; `out` is then unspecified.
[[nodiscard]] Status ReplaceField(Slice record, uint32_t field, Slice bytes, std::string* out);

// The bytes of one field, inside `record`. Errors as ReplaceField.
Result<Slice> FieldOf(Slice record, uint32_t field);

// Walks over the fields of untrusted bytes:
//   FieldCursor c(record);  Slice f;  while (c.Next(&f)) ...;  if (!c.ok()) damaged
class FieldCursor {
 public:
  explicit FieldCursor(Slice record) noexcept : in_(record) {}
  // False at the end and on damage. The slice points into the record.
  bool Next(Slice* field) noexcept { return in_.remaining() > 0 && in_.GetLengthPrefixed(field); }
  bool ok() const noexcept { return in_.ok(); }

 private:
  Decoder in_;
};

}  // namespace lsmlab::workloads
