#pragma once

#include <bit>
#include <cstdint>

#include "workloads/workload.h"

namespace lsmlab::workloads {

// Running digest of one stream: order-dependent, two multiplications per operation. Not
// cryptographic; it is there to show that two runs were asked the same.
class StreamDigest {
 public:
  // `start` stands for what is the same for all operations: key format and value bytes.
  explicit StreamDigest(uint64_t start) noexcept : state_(start) {}

  // `value_token` says which bytes are written (where in the pool).
  void Add(const Operation& op, uint64_t value_token) noexcept {
    const uint64_t kind = static_cast<uint64_t>(op.kind) * 2 + op.missing;
    Mix(op.key_number + (kind << 57));
    const uint64_t fields = uint64_t{op.read_field} << 32 | op.write_field;
    Mix(value_token + op.value.size() * 0xff51afd7ed558ccdull +
        op.scan_length * 0xc4ceb9fe1a85ec53ull + fields * 0x9e3779b97f4a7c15ull);
  }
  uint64_t value() const noexcept { return state_ ^ (state_ >> 32); }

 private:
  void Mix(uint64_t word) noexcept {
    state_ = std::rotl((state_ ^ word) * 0x9fb21c651e98df25ull, 29);
  }
  uint64_t state_;
};

}  // namespace lsmlab::workloads
