#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/composition.h"
#include "engine/format/file_name.h"
#include "engine/format/wal_record.h"
#include "tests/support/fault_io.h"
#include "tests/support/test_scale.h"
#include "variants/io/simulated_io.h"
#include "variants/registry.h"

// Logs under test, a process that uses one, and what must hold of it.
namespace lsmlab::wal_test {

inline constexpr uint64_t kStore = 0xfeedfacecafebeef;
inline const std::string kDirectory = "d";
inline constexpr uint64_t kSlotBytes = 24576;  // of a log that has slots

// A row of the registry with settings.
struct WalCase {
  const WalVariant* variant = nullptr;
  std::string sync = "none";

  bool has_slots() const { return variant->name == "ring"; }
  // Both ways of making slots, one with each way of syncing.
  bool prewritten() const { return sync == "group"; }
  friend void PrintTo(const WalCase& c, std::ostream* out) { *out << c.variant->name << c.sync; }
};

// Every variant that keeps records, with both ways of syncing names and data.
inline std::vector<WalCase> WalCases() {
  std::vector<WalCase> all;
  for (const WalVariant* row : WalVariants()) {
    if (row->name == "off") continue;
    all.push_back({row, "none"});
    all.push_back({row, "group"});
  }
  return all;
}
inline std::vector<WalCase> CasesWithSlots() {
  std::vector<WalCase> all = WalCases();
  std::erase_if(all, [](const WalCase& c) { return !c.has_slots(); });
  return all;
}

struct ByWalCase {
  template <typename Info>
  std::string operator()(const Info& info) const {
    std::string name(info.param.variant->name);
    std::replace(name.begin(), name.end(), '-', '_');
    return name + "_" + info.param.sync;
  }
};

inline WalIdentity IdentityOf(uint64_t log_number, uint64_t incarnation) {
  return {.store_id = kStore, .shard = 1, .log_number = log_number, .incarnation = incarnation};
}

inline std::unique_ptr<Wal> MakeWal(Io& io, const WalCase& c) {
  SettingBag bag = DefaultSettings(c.variant->settings);
  bag.Set("sync", c.sync);
  if (c.has_slots()) {
    bag.Set("segment_size", static_cast<int64_t>(kSlotBytes));
    bag.Set("segments", int64_t{3});
    bag.Set("prewrite", std::string(c.prewritten() ? "open" : "need"));
  }
  WalEnvironment environment;
  environment.io = &io;
  environment.directory = kDirectory;
  environment.shard = 1;
  environment.store_id = kStore;
  return c.variant->make(bag, environment);
}

// A disk on which the files that io.direct = writes makes direct ask for aligned operations.
inline std::unique_ptr<FaultIo> MakeFaultDisk() {
  auto disk = std::make_unique<FaultIo>();
  disk->AlignDirectFiles();
  return disk;
}
inline std::unique_ptr<Io> MakeSimulated(std::shared_ptr<SimDisk> disk) {
  SimulatedOptions options;
  options.direct = Direct::kWrites;
  return MakeSimulatedIo(std::move(disk), options);
}

// The payload follows from the record's number, so any record read checks itself.
inline std::string PayloadOf(uint64_t dense) {
  Random random(dense);
  std::string payload(random.Below(900), '\0');
  for (char& c : payload) c = static_cast<char>(random.Next());
  return payload;
}

struct Recovered final : WalReplayer {
  Status Replay(uint64_t, Sequence first_sequence, uint64_t dense, Slice payload) override {
    EXPECT_TRUE(payload == PayloadOf(dense));
    EXPECT_EQ(first_sequence, dense * 3);
    EXPECT_TRUE(count == 0 || dense == last + 1);
    if (count == 0) first = dense;
    last = dense;
    ++count;
    return {};
  }
  Status Run(Wal& wal, uint64_t min_log, uint64_t closed_log = 0, uint64_t closed_bytes = 0) {
    WalExpectation expected;
    expected.min_log_number = min_log;
    expected.closed_log = closed_log;
    expected.closed_bytes = closed_bytes;
    return Finish(wal.Recover(expected, *this, &stats, &largest));
  }
  uint64_t count = 0, first = 0, last = 0, largest = 0;
  WalReplayStats stats;
};

// What a process knows while it uses a log: the promises that hold after a crash.
struct History {
  uint64_t appended = 0;  // last record handed to the log, whatever came of it
  uint64_t acked = 0;     // last record known to be durable
  uint64_t flushed = 0;   // last record that tables hold
  uint64_t min_log = 0;
  uint64_t opened = 0;  // first segment of the last process: no number is given out twice for that
  uint64_t closed_log = 0, closed_bytes = 0;  // what a catalog would know of the last close
};

// `count` records, the first one numbered `dense` + 1, as the tree encodes them.
inline std::string EncodeRecords(const WalPosition& position, uint64_t dense, uint64_t count) {
  WalRecordEncoder encoder;
  encoder.Begin(IdentityOf(position.log_number, position.incarnation), position.synced_offset);
  for (uint64_t n = dense + 1; n <= dense + count; ++n) {
    encoder.BeginRecord(n * 3, n);
    encoder.buffer().append(PayloadOf(n));
    encoder.EndRecord();
  }
  return std::string(encoder.bytes());
}

// One process: recovers, then appends, syncs, rotates and releases as the seed says, until the disk
// stops. `settled` is false when the log could not even be recovered.
class Process {
 public:
  Process(Io& io, const WalCase& c, History& history, uint64_t seed)
      : history_(history), random_(seed), wal_(MakeWal(io, c)) {}

  void Run() {
    durable_share_ = random_.Below(4);  // 0: never
    Recovered recovered;
    const Status status =
        recovered.Run(*wal_, history_.min_log, history_.closed_log, history_.closed_bytes);
    if (!status.ok()) {
      ASSERT_FALSE(status.IsCorruption()) << status.ToString();
      return;
    }
    Settle(recovered);
    // The catalog knows numbers whose segments' names a crash has taken.
    current_ = std::max({recovered.largest, history_.min_log, history_.opened});
    if (random_.OneIn(2)) Flush();
    history_.opened = current_ + 1;
    if (!NewSegment()) return;
    for (int step = 0; step < 14; ++step) {
      if (!Step()) return;
    }
    if (random_.OneIn(2)) Close();
  }
  // Fills and releases segments until every slot has been used more than once, and closes.
  void Age() {
    for (int segment = 0; segment < 9; ++segment) {
      ASSERT_TRUE(NewSegment());
      durable_share_ = segment % 2 == 0 ? 4 : 1;
      while (wal_->position().offset < kSlotBytes * 3 / 8) ASSERT_TRUE(AppendGroup());
      if (segment % 2 == 0) continue;
      ASSERT_TRUE(Finish(wal_->Release(current_)).ok());
    }
    Close();
    Flush();
  }

 private:
  void Settle(const Recovered& recovered) {
    const uint64_t last = recovered.count > 0 ? recovered.last : history_.flushed;
    if (recovered.count > 0) {
      ASSERT_LE(recovered.first, history_.flushed + 1);
    }
    ASSERT_GE(std::max(last, history_.flushed), history_.acked);
    ASSERT_LE(last, history_.appended);
    history_.appended = std::max(last, history_.flushed);
    history_.acked = history_.appended;  // recovery syncs what it reads
  }
  void Close() {
    if (!Finish(wal_->Close()).ok()) return;
    history_.acked = history_.appended;
    history_.closed_log = current_;
    history_.closed_bytes = wal_->position().offset;
  }
  // All records so far go to tables.
  void Flush() {
    history_.flushed = history_.acked = history_.appended;
    history_.min_log = current_ + 1;
  }
  bool NewSegment() {
    if (!Finish(wal_->StartSegment(++current_)).ok()) return false;
    return true;
  }
  bool Step() {
    switch (random_.Below(8)) {
      case 0: {
        const uint64_t before = history_.appended;
        if (!NewSegment()) return false;
        if (random_.OneIn(2)) return true;
        history_.flushed = before;
        history_.acked = std::max(history_.acked, before);
        history_.min_log = current_;
        return Finish(wal_->Release(current_)).ok();
      }
      case 1:
        if (durable_share_ == 0) return true;
        if (!Finish(wal_->Sync()).ok()) return false;
        history_.acked = history_.appended;
        return true;
      default:
        return AppendGroup();
    }
  }
  bool AppendGroup() {
    EXPECT_EQ(wal_->position().log_number, current_);
    const uint64_t count = random_.Below(3) + 1;
    const std::string records = EncodeRecords(wal_->position(), history_.appended, count);
    history_.appended += count;
    const bool durable = random_.Below(4) < durable_share_;
    if (!Finish(wal_->Append(records, durable)).ok()) return false;
    if (durable) history_.acked = history_.appended;
    return true;
  }

  History& history_;
  Random random_;
  std::unique_ptr<Wal> wal_;
  uint64_t current_ = 0;
  uint64_t durable_share_ = 0;
};

// Leaves the closed log of a process that used it for a while, all of it in tables: what follows
// meets old records wherever files are used again.
inline History Age(Io& io, const WalCase& c) {
  History history;
  Process(io, c, history, 1).Age();
  return history;
}

}  // namespace lsmlab::wal_test
