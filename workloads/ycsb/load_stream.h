#pragma once

#include <cstdint>

#include "workloads/digest.h"
#include "workloads/workload.h"
#include "workloads/ycsb/key_format.h"
#include "workloads/ycsb/value_pool.h"

namespace lsmlab::workloads {

// The inserts of the load phase: thread t of n takes the numbers insertstart + t, + n, + 2n, ... in
// rising order, which is how YCSB's threads share them when they run in step.
class LoadStream final : public OpStream {
 public:
  // `settings` and `pool` must outlive it. REQUIRES: CheckStreamOptions(options).ok().
  LoadStream(const Settings& settings, const ValuePool& pool, const StreamOptions& options);

  bool Next(Operation* op) override;
  void Acknowledge(uint64_t) override {}  // The load phase chooses no existing keys.
  uint64_t digest() const override { return digest_.value(); }
  bool overtakes_insert() const override { return false; }
  uint64_t early_choices() const override { return 0; }

 private:
  KeyFormat keys_;
  ValueSource values_;
  StreamDigest digest_;
  uint64_t number_;
  uint64_t step_;
  uint64_t left_;
};

}  // namespace lsmlab::workloads
