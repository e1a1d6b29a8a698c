#pragma once

#include <cstdint>

#include "engine/base/random.h"
#include "workloads/digest.h"
#include "workloads/workload.h"
#include "workloads/ycsb/insert_view.h"
#include "workloads/ycsb/key_chooser.h"
#include "workloads/ycsb/key_format.h"
#include "workloads/ycsb/length_chooser.h"
#include "workloads/ycsb/op_mix.h"
#include "workloads/ycsb/value_pool.h"

namespace lsmlab::workloads {

// The measured operations of one thread. Inserts number from recordcount up; insert_view.h says
// which of them later operations may choose.
class RunStream final : public OpStream {
 public:
  // `settings` and `pool` must outlive it. REQUIRES: CheckStreamOptions(options).ok().
  RunStream(const Settings& settings, const ValuePool& pool, const StreamOptions& options);

  bool Next(Operation* op) override;
  void Acknowledge(uint64_t key_number) override { view_.Acknowledge(key_number); }
  uint64_t digest() const override { return digest_.value(); }
  bool overtakes_insert() const override { return view_.Overtakes(position_); }
  uint64_t early_choices() const override { return view_.early_choices(); }

 private:
  void ChooseKey(Operation* op);
  void ChooseValue(Operation* op, uint64_t* token);
  uint32_t ChooseField(bool all);

  const Settings& settings_;
  OpMix mix_;
  KeyChooser chooser_;
  KeyFormat keys_;
  LengthChooser scan_lengths_;
  ValueSource values_;
  InsertView view_;
  StreamDigest digest_;
  Random kind_draws_;
  Random key_draws_;
  Random shape_draws_;  // Fields and scan lengths.
  uint64_t position_ = 0;
  uint64_t end_;
};

}  // namespace lsmlab::workloads
