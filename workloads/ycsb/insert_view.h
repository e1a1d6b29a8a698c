#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "workloads/distributions/acknowledged_counter.h"

namespace lsmlab::workloads {

// What one stream of the run phase knows of the keys inserted in it.
//
// YCSB's threads share a counter of inserts and choose among the keys up to the last acknowledged
// one, so what they ask depends on how the threads were scheduled. To have the same stream every
// time, and yet never ask for a key that does not exist, each stream here sees the records of the
// load phase and its own inserts only:
//  1. Of n streams, stream t inserts the numbers first + t, first + t + n, first + t + 2n, ...
//  2. An own insert may be chosen once `in_flight` further operations of the stream have begun
//     (with in_flight 1: from the next operation on): by then a driver that keeps at most so many
//     open, and begins none while Overtakes(), has finished it.
//  3. For the weights of the distributions the stream supposes that all streams are as far as
//     itself: with k own visible inserts the last number is first + k * n - 1. A choice that falls
//     on another stream's number is moved to the own number of the same round (Own), of which
//     there is exactly one per round. So all streams together ask for the new keys as often as
//     YCSB does, and each stream asks for those it has made.
// With one stream this is YCSB exactly. Acknowledgements change nothing in the stream; they say
// when the next operation may begin, and count choices that came before their acknowledgement,
// which means that the driver did not do as it said.
class InsertView {
 public:
  InsertView(uint64_t first, uint64_t thread, uint64_t threads, uint32_t in_flight)
      : first_(first),
        thread_(thread),
        threads_(threads),
        in_flight_(in_flight),
        acks_(2 * uint64_t{in_flight}),
        starts_(std::bit_ceil(in_flight)) {}

  // The key number of a new insert, which is the stream's operation number `operation`.
  uint64_t Issue(uint64_t operation) noexcept {
    const uint64_t index = acks_.Next();
    starts_[index & (starts_.size() - 1)] = operation;
    return first_ + thread_ + index * threads_;
  }
  // To be called at the start of each operation: makes inserts visible by rule 2. At most in_flight
  // inserts are invisible at a time, so their starts fit the ring.
  void Advance(uint64_t operation) noexcept {
    while (visible_ < acks_.issued() &&
           operation - starts_[visible_ & (starts_.size() - 1)] >= in_flight_) {
      ++visible_;
    }
  }

  // Whether an operation begun now would be in_flight or more behind an open insert.
  bool Overtakes(uint64_t operation) const noexcept {
    const uint64_t oldest = acks_.acknowledged();
    return oldest < acks_.issued() &&
           (oldest < visible_ || operation - starts_[oldest & (starts_.size() - 1)] >= in_flight_);
  }

  // The last number that may be chosen, before Own().
  uint64_t last() const noexcept { return first_ + visible_ * threads_ - 1; }
  // REQUIRES: number <= last().
  uint64_t Own(uint64_t number) noexcept {
    if (number < first_) return number;
    const uint64_t index = (number - first_) / threads_;
    if (index >= acks_.acknowledged()) ++early_choices_;
    return first_ + thread_ + index * threads_;
  }

  void Acknowledge(uint64_t number) noexcept {
    if (number >= first_) acks_.Acknowledge((number - first_) / threads_);
  }
  uint64_t early_choices() const noexcept { return early_choices_; }

 private:
  uint64_t first_;
  uint64_t thread_;
  uint64_t threads_;
  uint64_t in_flight_;
  uint64_t visible_ = 0;
  uint64_t early_choices_ = 0;
  AcknowledgedCounter acks_;
  std::vector<uint64_t> starts_;  // Operation numbers of the inserts not yet visible, a ring.
};

}  // namespace lsmlab::workloads
