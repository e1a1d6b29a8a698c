#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "engine/base/coding.h"
#include "engine/base/slice.h"

// Where a separated value lies: what an entry of kind kPutInValueFile holds in place of it.
//
//   reference := file varint, offset varint, size varint
//
// `offset` and `size` are those of the whole record in the value file (value_file.h). Compactions
// count a file's live bytes in these sizes.
namespace lsmlab {

struct ValueReference {
  uint64_t file = 0;
  uint64_t offset = 0;
  uint32_t size = 0;
};

inline void EncodeValueReference(const ValueReference& reference, std::string& out) {
  PutVarint64(out, reference.file);
  PutVarint64(out, reference.offset);
  PutVarint64(out, reference.size);
}

// False when the bytes are no whole reference. Any bytes.
inline bool DecodeValueReference(Slice bytes, ValueReference* reference) noexcept {
  Decoder in(bytes);
  uint64_t size = 0;
  if (!in.GetVarint(&reference->file) || !in.GetVarint(&reference->offset) ||
      !in.GetVarint(&size) || in.remaining() != 0 || size > std::numeric_limits<uint32_t>::max()) {
    return false;
  }
  reference->size = static_cast<uint32_t>(size);
  return reference->file != 0;
}

// Bytes of the record that an encoded reference is to; 0 for what is none.
inline uint64_t ReferencedBytes(Slice bytes) noexcept {
  ValueReference reference;
  return DecodeValueReference(bytes, &reference) ? reference.size : 0;
}

}  // namespace lsmlab
