#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/slice.h"

namespace lsmlab::test {

// Values that check themselves: u64 operation, u64 hash of the key, u32 length, u64 checksum over
// all the rest, then bytes drawn from the operation (every third value is incompressible, the
// others about 2:1). So any value read tells, without a model, which operation on which key wrote
// it, and whether every byte of it came back. Values shorter than the header are cut from it and
// can only be compared.
inline constexpr size_t kCheckedValueHeader = 28;

std::string CheckedValue(Slice key, uint64_t operation, size_t length);
// The operation that wrote the value, or nothing when it is not an intact value of this key.
std::optional<uint64_t> OperationOf(Slice key, Slice value);

}  // namespace lsmlab::test
