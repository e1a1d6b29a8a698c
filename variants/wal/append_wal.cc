#include <algorithm>
#include <atomic>
#include <deque>
#include <iterator>
#include <mutex>

#include "engine/format/file_name.h"
#include "engine/format/wal_record.h"
#include "variants/wal/log_files.h"
#include "variants/wal/wals.h"

namespace lsmlab {
namespace {

// One file NNNNNN.log per segment; a group of records is one write at its end, made durable by
// fdatasync. A segment that is left with an unsynced end is synced when the first durable append or
// sync of a later one needs it, and where groups are not durable so is the directory: a log that
// never syncs pays nothing, and its writers wait for no device when a segment ends.
class AppendWal final : public Wal {
 public:
  AppendWal(const SettingBag& bag, const WalEnvironment& environment)
      : env_(environment),
        syncs_names_late_(bag.Choice("sync") == "none" || bag.Choice("sync") == "interval") {}

  Task<Status> StartSegment(uint64_t log_number) override;
  WalPosition position() const noexcept override { return position_; }
  bool keeps_records() const noexcept override { return true; }
  bool segment_is_full() const noexcept override { return position_.offset >= kFullSegmentBytes; }
  Task<Status> Append(Slice records, bool durable) override;
  Task<Status> Sync() override;
  Task<Status> Release(uint64_t log_number) override;
  Task<Status> Recover(WalExpectation expected, WalReplayer& replayer, WalReplayStats* stats,
                       uint64_t* largest_log_number) override;
  Task<Status> WriteAgain() override { return WriteLogsAgain(*env_.io, std::move(accepted_)); }
  Task<Status> Close() override;
  uint64_t bytes_written() const noexcept override {
    return bytes_written_.load(std::memory_order_relaxed);
  }
  uint64_t syncs() const noexcept override { return syncs_.load(std::memory_order_relaxed); }

 private:
  struct Segment {
    uint64_t number;
    std::shared_ptr<IoFile> file;  // shared: Release may drop a segment that is being synced
  };
  std::string PathOf(uint64_t number) const {
    return env_.directory + "/" + NumberedFileName("", number, ".log");
  }
  WalIdentity Identity(uint64_t number) const {
    return {.store_id = env_.store_id, .shard = env_.shard, .log_number = number};
  }
  Status Poisoned();
  Status Poison(Status cause);
  // Leaves the current segment behind and says what the next one goes on from.
  WalSegmentHeader LeaveCurrent();
  std::shared_ptr<IoFile> OldestUnsynced();
  Task<Status> Write(Slice bytes);
  Task<Status> SyncFile(IoFile& file);
  Task<Status> SyncOlder();
  Task<Status> SyncNames();

  const WalEnvironment env_;
  const bool syncs_names_late_;
  // The writer's side.
  std::shared_ptr<IoFile> file_;
  WalPosition position_;
  bool names_unsynced_ = false;        // of segments
  WalSegmentHeader continuation_;      // after Recover, for the first segment
  std::vector<AcceptedLog> accepted_;  // by Recover, for WriteAgain
  WalRecordEncoder encoder_;
  std::atomic<uint64_t> bytes_written_{0}, syncs_{0};
  // Shared with Release.
  std::mutex mutex_;
  std::deque<Segment> unsynced_;  // older than the current one, oldest first
  // All segments, ascending; at first also what another variant left, number and path.
  std::vector<std::pair<uint64_t, std::string>> on_disk_;
  Status poison_;
};

Status AppendWal::Poisoned() {
  std::lock_guard lock(mutex_);
  return poison_;
}

Status AppendWal::Poison(Status cause) {
  std::lock_guard lock(mutex_);
  if (poison_.ok()) {
    poison_ = Status::Aborted(env_.directory + ": the log failed before and takes nothing until " +
                              "the store is reopened: " + cause.ToString());
  }
  return cause;
}

WalSegmentHeader AppendWal::LeaveCurrent() {
  if (file_ == nullptr) return continuation_;
  if (position_.synced_offset < position_.offset) {
    std::lock_guard lock(mutex_);
    unsynced_.push_back({position_.log_number, std::move(file_)});
  }
  return {.previous_log = position_.log_number,
          .previous_end = position_.offset,
          .previous_synced = position_.synced_offset};
}

Task<Status> AppendWal::StartSegment(uint64_t log_number) {
  LSMLAB_CO_TRY(Poisoned());
  LSMLAB_ASSERT(log_number > position_.log_number);
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(*env_.io, IoSite::kWal, OpenMode::kCreate, PathOf(log_number));
  if (!opened.ok()) co_return opened.status();
  {
    std::lock_guard lock(mutex_);
    on_disk_.emplace_back(log_number, PathOf(log_number));
  }
  if (opened.value()->alignment() != 1) {
    co_return Poison(Status::NotSupported("wal append: needs buffered files, not direct ones"));
  }
  encoder_.Begin(Identity(log_number), 0);
  encoder_.AppendSegmentHeader(LeaveCurrent());
  file_ = std::move(opened).value();
  position_ = WalPosition();
  position_.log_number = log_number;
  LSMLAB_CO_TRY(co_await Write(encoder_.bytes()));
  names_unsynced_ = true;
  if (syncs_names_late_) co_return Status();
  co_return co_await SyncNames();
}

Task<Status> AppendWal::SyncNames() {
  if (!names_unsynced_) co_return Status();
  Status synced = co_await SyncLogNames(env_, IoSite::kWal);
  if (!synced.ok()) co_return Poison(std::move(synced));
  names_unsynced_ = false;
  co_return Status();
}

Task<Status> AppendWal::Write(Slice bytes) {
  Status written = co_await WriteAt(*env_.io, IoSite::kWal, *file_, position_.offset, bytes.data(),
                                    bytes.size());
  if (!written.ok()) co_return Poison(std::move(written));
  position_.offset += bytes.size();
  bytes_written_.fetch_add(bytes.size(), std::memory_order_relaxed);
  co_return Status();
}

Task<Status> AppendWal::Append(Slice records, bool durable) {
  LSMLAB_CO_TRY(Poisoned());
  LSMLAB_ASSERT(file_ != nullptr);
  if (records.size() > kLogSegmentBytesMax - kWalFragmentHeaderBytes - position_.offset) {
    co_return Status::InvalidArgument(file_->path() + ": segment would grow above 2 GiB; start " +
                                      "a new one");
  }
  LSMLAB_CO_TRY(co_await Write(records));
  if (!durable) co_return Status();
  co_return co_await Sync();
}

Task<Status> AppendWal::SyncFile(IoFile& file) {
  Status synced = co_await DataSync(*env_.io, IoSite::kWal, file);
  if (!synced.ok()) co_return Poison(std::move(synced));
  syncs_.fetch_add(1, std::memory_order_relaxed);
  co_return Status();
}

std::shared_ptr<IoFile> AppendWal::OldestUnsynced() {
  std::lock_guard lock(mutex_);
  return unsynced_.empty() ? nullptr : unsynced_.front().file;
}

Task<Status> AppendWal::SyncOlder() {
  while (true) {
    std::shared_ptr<IoFile> file = OldestUnsynced();
    if (file == nullptr) co_return Status();
    LSMLAB_CO_TRY(co_await SyncFile(*file));
    std::lock_guard lock(mutex_);
    std::erase_if(unsynced_, [&file](const Segment& s) { return s.file == file; });
  }
}

Task<Status> AppendWal::Sync() {
  LSMLAB_CO_TRY(Poisoned());
  LSMLAB_CO_TRY(co_await SyncNames());
  LSMLAB_CO_TRY(co_await SyncOlder());
  if (file_ == nullptr || position_.synced_offset == position_.offset) co_return Status();
  LSMLAB_CO_TRY(co_await SyncFile(*file_));
  position_.synced_offset = position_.offset;
  co_return Status();
}

Task<Status> AppendWal::Release(uint64_t log_number) {
  std::vector<std::pair<uint64_t, std::string>> released;
  {
    std::lock_guard lock(mutex_);
    if (!poison_.ok()) co_return poison_;
    const auto end = std::partition_point(
        on_disk_.begin(), on_disk_.end(),
        [log_number](const auto& segment) { return segment.first < log_number; });
    released.assign(on_disk_.begin(), end);
    on_disk_.erase(on_disk_.begin(), end);
    std::erase_if(unsynced_, [log_number](const Segment& s) { return s.number < log_number; });
  }
  // Oldest first, and not synced: what a crash brings back lies below the catalog's log number.
  Status status;
  for (size_t i = 0; i < released.size(); ++i) {
    status = co_await UnlinkFile(*env_.io, IoSite::kWal, released[i].second);
    if (status.IsNotFound()) status = Status();
    if (status.ok()) continue;
    // The rest is tried again with the next release.
    std::lock_guard lock(mutex_);
    on_disk_.insert(on_disk_.begin(), std::make_move_iterator(released.begin() + i),
                    std::make_move_iterator(released.end()));
    break;
  }
  co_return status;
}

Task<Status> AppendWal::Recover(WalExpectation expected, WalReplayer& replayer,
                                WalReplayStats* stats, uint64_t* largest_log_number) {
  LSMLAB_ASSERT(file_ == nullptr);
  FoundLogs found;
  Status recovered = co_await RecoverLogs(env_, expected, replayer, stats, &found);
  *largest_log_number = found.largest_log_number;
  LSMLAB_CO_TRY(std::move(recovered));
  {
    std::lock_guard lock(mutex_);
    on_disk_.clear();
    for (LogFile& file : found.files) on_disk_.emplace_back(file.log_number, std::move(file.path));
  }
  continuation_ = found.continuation;
  accepted_ = std::move(found.accepted);
  position_.log_number = found.largest_log_number;
  co_return Status();
}

Task<Status> AppendWal::Close() {
  LSMLAB_CO_TRY(co_await Sync());
  if (file_ == nullptr) co_return Status();
  encoder_.Begin(Identity(position_.log_number), position_.synced_offset);
  encoder_.AppendEndMark();
  LSMLAB_CO_TRY(co_await Write(encoder_.bytes()));
  LSMLAB_CO_TRY(co_await Sync());
  file_.reset();
  co_return Status();
}

std::unique_ptr<Wal> MakeAppendWal(const SettingBag& bag, const WalEnvironment& environment) {
  return std::make_unique<AppendWal>(bag, environment);
}

}  // namespace

const WalVariant kAppendWal = {
    .name = "append",
    .summary = "one growing file per memtable, one write per group, fdatasync when durable",
    .settings = {},
    .make = MakeAppendWal,
};

}  // namespace lsmlab
