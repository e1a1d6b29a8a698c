#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/store.h"
#include "tests/support/compositions.h"
#include "tests/support/key_space.h"
#include "tests/support/store_model.h"
#include "tests/support/whole_walk.h"
#include "variants/io/simulated_io.h"

// Power loss while several callers write at once, so that it falls between groups of them. Each
// caller has keys of its own and one write under way at a time. After a crash the store must hold a
// prefix of every caller's writes, all acknowledged ones where that means durable, and of different
// callers no write without those that had been acknowledged before it was called.
namespace lsmlab::test {

inline constexpr int kCrashCallers = 6;

struct CallersRun {
  TestComposition composition;  // one shard, where it names no partitioner
  std::string sync;
  uint64_t seed = 0;
  // The callers live on three event loops in one thread, whose order is drawn from the seed; else
  // they are coroutines of the one thread.
  bool on_loops = false;

  bool one_shard() const;
  StoreOptions Options(const std::shared_ptr<SimDisk>& disk, bool defer) const;
};

struct CrashWorld {
  Store* store = nullptr;
  uint64_t now = 0;        // orders calls and returns
  uint64_t operation = 0;  // numbers changes
  Status failure;          // the first
  Status wrong;            // the first read that showed what is not there
};

// Writes, and reads now and then, until one of its own writes fails.
class CrashCaller {
 public:
  CrashCaller(CrashWorld& world, int number, uint64_t seed)
      : world_(world),
        random_(seed),
        keys_(30, false, static_cast<size_t>(number) * 1000),
        marker_("marker of caller " + std::to_string(number)) {}

  Task<void> Run();

  // How many writes had been called, and had returned ok, at a moment.
  size_t Called(uint64_t now) const {
    return Count([now](const Write& write) { return write.called <= now; });
  }
  size_t Returned(uint64_t now) const {
    return Count([now](const Write& write) { return write.returned <= now; });
  }
  uint64_t CallOf(size_t write) const { return writes_[write].called; }

  // Reads which prefix the store holds of the writes; the marker says it, all keys must agree.
  Status Match(Store& store, size_t* prefix) const;
  // What a walk shows of that prefix.
  void AddContentOf(size_t prefix, WholeContent* content) const;

 private:
  struct Write {
    uint64_t called = 0;
    uint64_t returned = 0;
    uint64_t marker = 0;  // the operation of its last change, which is the marker's
  };

  template <typename Holds>
  size_t Count(Holds holds) const {
    return static_cast<size_t>(std::count_if(writes_.begin() + 1, writes_.end(), holds));
  }
  void Draw();
  Task<void> Read();

  CrashWorld& world_;
  Random random_;
  const KeySpace keys_;
  const std::string marker_;
  StoreModel model_;
  WriteBatch batch_;
  std::string key_, value_;
  const ReadOptions options_;
  std::vector<Write> writes_{Write{}};  // from 1; before all of them, prefix 0 is empty
};

struct CallersMoment {
  std::shared_ptr<SimDisk> disk;
  uint64_t now = 0;
};

// One run of all callers over one store.
class CallersWorkload {
 public:
  explicit CallersWorkload(const CallersRun& run);

  // A moment after every so many operations of the disk. The first error of the store.
  Status Run(uint64_t every);
  // Beside a fault that is armed once the store is open: the moment when everything that was under
  // way then is over. The first read that was wrong.
  Status RunBeside(const SimFault& fault);

  const std::vector<CallersMoment>& moments() const noexcept { return moments_; }
  SimDisk& disk() noexcept { return *disk_; }
  uint64_t opened_steps() const noexcept { return opened_steps_; }  // of the disk, for the open
  bool write_failed() const noexcept { return !world_.failure.ok(); }
  const StoreStats& stats() const noexcept { return stats_; }

  // What must hold at that moment after a crash. `torn`: counts crashes that kept a write under way
  // of one caller and lost another's.
  Status CheckCrash(const CallersMoment& moment, CrashMode mode, uint64_t damage,
                    uint64_t* torn) const;

 private:
  Status OpenAndRun(const SimFault* fault);

  const CallersRun run_;
  const std::shared_ptr<SimDisk> disk_ = SimDisk::Make();
  CrashWorld world_;
  std::vector<std::unique_ptr<CrashCaller>> callers_;
  std::vector<CallersMoment> moments_;
  uint64_t opened_steps_ = 0;
  StoreStats stats_;
};

}  // namespace lsmlab::test
