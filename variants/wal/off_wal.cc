#include <algorithm>

#include "variants/wal/log_files.h"
#include "variants/wal/wals.h"

namespace lsmlab {
namespace {

class RefusingReplayer final : public WalReplayer {
 public:
  explicit RefusingReplayer(const std::string& directory) : directory_(directory) {}
  Status Replay(uint64_t log_number, Sequence, uint64_t, Slice) override {
    return Status::InvalidArgument(directory_ + ": log segment " + std::to_string(log_number) +
                                   " holds records that are not in tables yet; open the store " +
                                   "with a wal that keeps records and flush it");
  }

 private:
  const std::string& directory_;
};

// A log that keeps nothing. It refuses a directory in which another variant left live records.
class OffWal final : public Wal {
 public:
  explicit OffWal(const WalEnvironment& environment) : env_(environment) {}

  Task<Status> StartSegment(uint64_t log_number) override {
    position_.log_number = log_number;
    co_return Status();
  }
  WalPosition position() const noexcept override { return position_; }
  bool keeps_records() const noexcept override { return false; }
  bool segment_is_full() const noexcept override { return false; }
  Task<Status> Append(Slice, bool) override { co_return Status(); }
  Task<Status> Sync() override { co_return Status(); }
  Task<Status> Release(uint64_t log_number) override;
  Task<Status> Recover(WalExpectation expected, WalReplayer&, WalReplayStats* stats,
                       uint64_t* largest_log_number) override;
  Task<Status> WriteAgain() override { co_return Status(); }
  Task<Status> Close() override { co_return Status(); }
  uint64_t bytes_written() const noexcept override { return 0; }
  uint64_t syncs() const noexcept override { return 0; }

 private:
  WalEnvironment env_;
  WalPosition position_;
  std::vector<LogFile> old_files_;  // of another variant; without records
};

Task<Status> OffWal::Recover(WalExpectation expected, WalReplayer&, WalReplayStats* stats,
                             uint64_t* largest_log_number) {
  RefusingReplayer refusing(env_.directory);
  FoundLogs found;
  Status recovered = co_await RecoverLogs(env_, expected, refusing, stats, &found);
  *largest_log_number = found.largest_log_number;
  old_files_ = std::move(found.files);
  co_return recovered;
}

Task<Status> OffWal::Release(uint64_t log_number) {
  for (const LogFile& file : old_files_) {
    if (file.log_number >= log_number) continue;
    Status unlinked = co_await UnlinkFile(*env_.io, IoSite::kWal, file.path);
    if (!unlinked.ok() && !unlinked.IsNotFound()) co_return unlinked;
  }
  std::erase_if(old_files_, [&](const LogFile& f) { return f.log_number < log_number; });
  co_return Status();
}

std::unique_ptr<Wal> MakeOffWal(const SettingBag&, const WalEnvironment& environment) {
  return std::make_unique<OffWal>(environment);
}

}  // namespace

const WalVariant kOffWal = {
    .name = "off",
    .summary = "no log: what was not flushed is lost",
    .settings = {},
    .make = MakeOffWal,
};

}  // namespace lsmlab
