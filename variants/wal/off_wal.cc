#include <algorithm>

#include "engine/format/file_name.h"
#include "engine/format/wal_record.h"
#include "variants/wal/wals.h"

namespace lsmlab {
namespace {

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
  Task<Status> Append(Slice, bool) override { co_return Status(); }
  Task<Status> Sync() override { co_return Status(); }
  Task<Status> Release(uint64_t) override { co_return Status(); }
  Task<Status> Recover(uint64_t min_log_number, WalReplayer& replayer, WalReplayStats* stats,
                       uint64_t* largest_log_number) override;
  Task<Status> Close() override { co_return Status(); }
  uint64_t bytes_written() const noexcept override { return 0; }
  uint64_t syncs() const noexcept override { return 0; }

 private:
  WalEnvironment env_;
  WalPosition position_;
};

Task<Status> OffWal::Recover(uint64_t min_log_number, WalReplayer&, WalReplayStats* stats,
                             uint64_t* largest_log_number) {
  *stats = WalReplayStats();
  *largest_log_number = 0;
  Result<std::vector<DirEntry>> listed =
      co_await ListDirectory(*env_.io, IoSite::kRecovery, env_.directory);
  if (!listed.ok()) co_return listed.status();
  for (const DirEntry& entry : listed.value()) {
    const std::optional<uint64_t> number = ParseNumberedFileName("", ".log", entry.name);
    if (!number) continue;
    *largest_log_number = std::max(*largest_log_number, *number);
    // Longer than header and end mark: there are records in it.
    if (*number >= min_log_number &&
        entry.size > kWalSegmentHeaderBytes + kWalFragmentHeaderBytes) {
      co_return Status::InvalidArgument(env_.directory + "/" + entry.name +
                                        ": holds records that are not in tables yet; open the "
                                        "store with the wal it was written with and flush it");
    }
  }
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
