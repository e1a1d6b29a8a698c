#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <mutex>

#include "variants/wal/log_files.h"
#include "variants/wal/ring_slot.h"
#include "variants/wal/wals.h"

namespace lsmlab {
namespace {

// Zeros are written to a new slot in pieces of this size. The page cache keeps what one write
// brought as one folio, and every later write into it passes over all its blocks: after pieces of a
// MiB an append of 200 bytes took 5.9 us in the median, after these 4.0.
constexpr uint64_t kFillBytesDirect = 1u << 20;
constexpr uint64_t kFillBytesBuffered = 16u << 10;
// The buffer that a group is laid out in is kept up to this size.
constexpr uint64_t kStageBytesKept = 2u << 20;
// A segment counts as full when less than this (or an eighth of a slot) is left of its first slot,
// so that the next group seldom needs a second one.
constexpr uint64_t kRoomBytes = 64u << 10;

// The sizes of slots without one of their own: for durable groups, which fill whole blocks; and for
// the log of one memtable, which as a rule is shorter than what the memtable takes in memory.
constexpr uint64_t kDurableSlotBytes = 64u << 20;
constexpr uint64_t kLargestSlotBytes = 512u << 20;

constexpr uint64_t RoundUpToBlock(uint64_t n) { return (n + kRingBlock - 1) & ~(kRingBlock - 1); }

// A log in slots: files of a fixed size that are used for one segment after another. Where groups
// are made durable, a slot is written with zeros once: inside it a durable write then changes
// neither size nor extents, so it is one write flagged durable and no commit of the file system's
// journal.
//  - A slot's head says which segment it holds, and which incarnation of the store wrote it: the
//    number of the first segment after the open, which the catalog gives out once. No incarnation
//    uses a log number twice, and every checksum of the segment is seeded with both. So nothing a
//    slot held before can be taken for a record of the segment, whatever a power loss leaves of
//    heads and records.
//  - A group that is made durable is filled up to the block of 4 KiB, and the next one begins in a
//    new block: no later write changes a block that holds acknowledged bytes, whatever a device
//    tears. A write that comes to a new block goes on to its end, with zeros: the kernel need not
//    read a block that it has not cached in order to change a part of it.
//  - A segment is meant to fit into one slot: when it is full the tree is told to seal a memtable.
//    What does not fit goes on in another slot. When no slot is free a new one is made, at first
//    (unless `prewrite` is `open`) as later on: the log never waits for a flush. The tree bounds
//    how many memtables wait, and thereby how far the ring grows; slots beyond the setting are
//    removed after the next open.
//  - With sync = group or every the slots are written by durable writes, direct ones unless
//    io.direct is none. With none and interval they are written through the page cache, and what
//    they gain is that it has their pages, once they were used: there a new slot is as long as
//    others but mostly a hole, of which each block takes room on the disk when it is first written.
class RingWal final : public Wal {
 public:
  RingWal(const SettingBag& bag, const WalEnvironment& environment);
  ~RingWal() override { FreeStage(); }

  Task<Status> StartSegment(uint64_t log_number) override;
  WalPosition position() const noexcept override { return position_; }
  bool keeps_records() const noexcept override { return true; }
  bool segment_is_full() const noexcept override { return position_.offset >= full_bytes_; }
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
  struct Slot {
    uint64_t number = 0;
    std::string path;
    bool retired = false;     // not used again; removed when its segment is released
    uint64_t log_number = 0;  // 0: free. Guarded by mutex_
    // The writer's:
    std::unique_ptr<IoFile> file;  // null: not opened yet
    bool unsynced = false;
  };
  enum class Tail : uint8_t { kPadded, kOpen };

  Status Poisoned();
  Status Poison(Status cause);
  WalIdentity Identity() const {
    return {.store_id = env_.store_id,
            .shard = env_.shard,
            .log_number = position_.log_number,
            .incarnation = position_.incarnation};
  }
  RingSlotOwner OwnerOf(const Slot& slot) const {
    return {.store_id = env_.store_id, .shard = env_.shard, .slot = slot.number};
  }
  Slot* TakeFreeSlot();
  size_t SlotsKept();
  Task<Status> FillRing();
  Task<Status> MakeSlots(size_t count);
  Task<Status> MakeFile(Slot& slot);
  Task<Status> WriteFreeHead(Slot& slot);
  Task<Status> AddPiece();
  // Appends to the current segment.
  Task<Status> Put(Slice bytes, bool durable, Tail tail);
  uint64_t ZerosBehind(uint64_t total) const noexcept;
  uint64_t LayOut(Slice bytes, Tail tail);
  Task<Status> PutLaidOut(uint64_t total, bool durable);
  Task<Status> WriteSlot(Slot& slot, uint64_t offset, const char* data, uint64_t length,
                         bool durable);
  Task<Status> SyncAll();
  void ReserveStage(uint64_t bytes);
  void FreeStage();

  const WalEnvironment env_;
  const IoSite site_;
  const uint64_t slot_bytes_, piece_bytes_, full_bytes_;
  const size_t slots_kept_;
  const bool fills_at_open_;

  // The writer's side.
  std::vector<Slot*> chain_;  // of the current segment
  WalPosition position_;
  bool started_ = false;               // a segment was
  bool all_synced_ = true;             // everything appended is durable
  WalSegmentHeader continuation_;      // after Recover, for the first segment
  std::vector<AcceptedLog> accepted_;  // by Recover, for WriteAgain
  WalRecordEncoder encoder_;
  uint64_t next_slot_ = 1;
  // A group as it goes to the disk, behind room for a head.
  char* stage_ = nullptr;
  uint64_t stage_bytes_ = 0;
  std::atomic<uint64_t> bytes_written_{0}, syncs_{0};

  // Shared with Release.
  std::mutex mutex_;
  std::vector<std::unique_ptr<Slot>> slots_;  // ascending by number; only retired ones leave
  std::vector<LogFile> old_files_;            // of another variant
  std::vector<std::string> to_remove_;        // what the last release could not remove
  Status poison_;
};

bool SyncsEveryGroup(const SettingBag& bag) {
  return bag.Choice("sync") == "group" || bag.Choice("sync") == "every";
}

bool SlotsFollowMemtable(const SettingBag& bag, const WalEnvironment& environment) {
  return bag.Bytes("segment_size") == 0 && !SyncsEveryGroup(bag) && environment.memtable_bytes > 0;
}

uint64_t SlotBytes(const SettingBag& bag, const WalEnvironment& environment) {
  uint64_t bytes = bag.Bytes("segment_size");
  if (SlotsFollowMemtable(bag, environment)) {
    const uint64_t memtable = environment.memtable_bytes;
    bytes = std::min(kRingHeadBytes + memtable + std::max(memtable / 4, 2 * kRoomBytes),
                     kLargestSlotBytes);
  }
  return RoundUpToBlock(bytes == 0 ? kDurableSlotBytes : bytes);
}

RingWal::RingWal(const SettingBag& bag, const WalEnvironment& environment)
    : env_(environment),
      site_(SyncsEveryGroup(bag) ? IoSite::kDurableWal : IoSite::kWal),
      slot_bytes_(SlotBytes(bag, environment)),
      piece_bytes_(slot_bytes_ - kRingHeadBytes),
      // Where the slot follows the memtable, what does not fit goes on in another one.
      full_bytes_(SlotsFollowMemtable(bag, environment)
                      ? kFullSegmentBytes
                      : piece_bytes_ - std::min(piece_bytes_ / 8, kRoomBytes)),
      slots_kept_(static_cast<size_t>(bag.Integer("segments"))),
      fills_at_open_(bag.Choice("prewrite") == "open") {}

Status RingWal::Poisoned() {
  std::lock_guard lock(mutex_);
  return poison_;
}

Status RingWal::Poison(Status cause) {
  std::lock_guard lock(mutex_);
  if (poison_.ok()) {
    poison_ = Status::Aborted(env_.directory + ": the log failed before and takes nothing until " +
                              "the store is reopened: " + cause.ToString());
  }
  return cause;
}

RingWal::Slot* RingWal::TakeFreeSlot() {
  std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->log_number != 0 || slot->retired) continue;
    slot->log_number = position_.log_number;
    return slot.get();
  }
  return nullptr;
}

size_t RingWal::SlotsKept() {
  std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) { return !slot->retired; }));
}

// Makes the slots that the setting asks for.
Task<Status> RingWal::FillRing() {
  const size_t kept = SlotsKept();
  if (kept >= slots_kept_) co_return Status();
  co_return co_await MakeSlots(slots_kept_ - kept);
}

// A slot gets its head, which says that it is ready, when its size and its name are durable: one
// of which that is not certain is never used, also not after a reopen.
Task<Status> RingWal::MakeSlots(size_t count) {
  std::vector<std::unique_ptr<Slot>> made;
  Status status;
  for (size_t i = 0; i < count && status.ok(); ++i) {
    made.push_back(std::make_unique<Slot>());
    made.back()->number = next_slot_++;
    made.back()->path = env_.directory + "/" + RingSlotName(made.back()->number);
    status = co_await MakeFile(*made.back());
  }
  if (status.ok()) status = co_await SyncLogNames(env_, site_);
  for (size_t i = 0; i < count && status.ok(); ++i) status = co_await WriteFreeHead(*made[i]);
  if (!status.ok()) {
    // Most likely the disk is full: what was taken is given back.
    for (const std::unique_ptr<Slot>& slot : made) {
      Status ignored = co_await UnlinkFile(*env_.io, site_, slot->path);
      (void)ignored;
    }
    co_return status;
  }
  std::lock_guard lock(mutex_);
  std::move(made.begin(), made.end(), std::back_inserter(slots_));
  co_return Status();
}

Task<Status> RingWal::MakeFile(Slot& slot) {
  Result<std::unique_ptr<IoFile>> opened =
      co_await OpenFile(*env_.io, site_, OpenMode::kCreate, slot.path);
  if (!opened.ok()) co_return opened.status();
  slot.file = std::move(opened).value();
  const bool direct = slot.file->alignment() != 1;
  const bool prewrites = site_ == IoSite::kDurableWal;
  const uint64_t step = !prewrites ? kRingBlock
                        : direct   ? std::min(kFillBytesDirect, slot_bytes_)
                                   : std::min(kFillBytesBuffered, slot_bytes_);
  ReserveStage(step);
  std::memset(stage_, 0, step);
  for (uint64_t at = prewrites ? 0 : slot_bytes_ - step; at < slot_bytes_; at += step) {
    const uint64_t length = std::min(step, slot_bytes_ - at);
    LSMLAB_CO_TRY(co_await WriteSlot(slot, at, stage_, length, false));
  }
  LSMLAB_CO_TRY(co_await DataSync(*env_.io, site_, *slot.file));
  slot.unsynced = false;
  syncs_.fetch_add(1, std::memory_order_relaxed);
  co_return Status();
}

Task<Status> RingWal::WriteFreeHead(Slot& slot) {
  RingSlotHead head;
  head.slot_bytes = slot_bytes_;
  ReserveStage(kRingHeadBytes);
  EncodeRingSlotHead(OwnerOf(slot), head, stage_);
  co_return co_await WriteSlot(slot, 0, stage_, kRingHeadBytes, true);
}

Task<Status> RingWal::StartSegment(uint64_t log_number) {
  LSMLAB_CO_TRY(Poisoned());
  LSMLAB_ASSERT(log_number > position_.log_number);
  WalSegmentHeader header = continuation_;
  if (started_) {
    header.previous_log = position_.log_number;
    header.previous_end = position_.offset;
    header.previous_synced = position_.synced_offset;
  } else if (fills_at_open_) {
    Status filled = co_await FillRing();
    if (!filled.ok()) co_return Poison(std::move(filled));
  }
  const uint64_t incarnation = started_ ? position_.incarnation : log_number;
  started_ = true;
  chain_.clear();
  position_ = WalPosition();
  position_.log_number = log_number;
  position_.incarnation = incarnation;
  encoder_.Begin(Identity(), 0);
  encoder_.AppendSegmentHeader(header);
  co_return co_await Put(encoder_.bytes(), site_ == IoSite::kDurableWal, Tail::kPadded);
}

Task<Status> RingWal::Append(Slice records, bool durable) {
  LSMLAB_CO_TRY(Poisoned());
  LSMLAB_ASSERT(started_);
  if (position_.offset + records.size() + slot_bytes_ > kLogSegmentBytesMax) {
    co_return Status::InvalidArgument(chain_.back()->path + ": segment would grow above 2 GiB; " +
                                      "start a new one");
  }
  if (durable && !all_synced_) LSMLAB_CO_TRY(co_await SyncAll());
  const bool direct = chain_.back()->file->alignment() != 1;
  co_return co_await Put(records, durable, durable || direct ? Tail::kPadded : Tail::kOpen);
}

void RingWal::ReserveStage(uint64_t bytes) {
  if (bytes <= stage_bytes_) return;
  FreeStage();
  const uint64_t wanted = RoundUpToBlock(std::max(bytes, kRoomBytes));
  stage_ = static_cast<char*>(env_.io->AllocateBuffer(wanted));
  stage_bytes_ = wanted;
}

void RingWal::FreeStage() {
  if (stage_ != nullptr) env_.io->FreeBuffer(stage_, stage_bytes_);
  stage_ = nullptr;
  stage_bytes_ = 0;
}

// How many zeros go behind the next `total` bytes of the segment: up to the end of a block that no
// write has come to before.
uint64_t RingWal::ZerosBehind(uint64_t total) const noexcept {
  const uint64_t end = position_.offset + total;
  return end > RoundUpToBlock(position_.offset) ? RoundUpToBlock(end) - end : 0;
}

// Copies the bytes to stage_ + kRingHeadBytes, pads them, and puts the zeros behind. Returns how
// many bytes of log that makes.
uint64_t RingWal::LayOut(Slice bytes, Tail tail) {
  const uint64_t end = position_.offset + bytes.size();
  uint64_t pad = tail == Tail::kPadded ? RoundUpToBlock(end) - end : 0;
  if (pad > 0 && pad < kWalFragmentHeaderBytes) pad += kRingBlock;
  const uint64_t total = bytes.size() + pad;
  const uint64_t zeros = ZerosBehind(total);
  ReserveStage(kRingHeadBytes + total + zeros);
  char* to = stage_ + kRingHeadBytes;
  std::memcpy(to, bytes.data(), bytes.size());
  if (pad > 0) {
    encoder_.Begin(Identity(), position_.synced_offset);
    encoder_.AppendPad(pad);
    std::memcpy(to + bytes.size(), encoder_.bytes().data(), pad);
  }
  std::memset(to + total, 0, zeros);
  return total;
}

Task<Status> RingWal::Put(Slice bytes, bool durable, Tail tail) {
  const uint64_t total = LayOut(bytes, tail);
  Status status = co_await PutLaidOut(total, durable);
  if (stage_bytes_ > kStageBytesKept) FreeStage();
  if (!status.ok()) co_return Poison(std::move(status));
  if (all_synced_) position_.synced_offset = position_.offset;
  co_return Status();
}

// One write per slot that the bytes lie in. Where a slot begins, its head goes before the bytes in
// the same write; the room for it is what was written before.
Task<Status> RingWal::PutLaidOut(uint64_t total, bool durable) {
  const uint64_t zeros = ZerosBehind(total);
  for (uint64_t done = 0; done < total;) {
    const uint64_t in_piece = position_.offset % piece_bytes_;
    const bool begins = position_.offset == chain_.size() * piece_bytes_;
    if (begins) LSMLAB_CO_TRY(co_await AddPiece());
    Slot& slot = *chain_.back();
    const uint64_t bytes = std::min(total - done, piece_bytes_ - in_piece);
    uint64_t length = bytes + (done + bytes == total ? zeros : 0);
    uint64_t offset = kRingHeadBytes + in_piece;
    char* from = stage_ + kRingHeadBytes + done;
    if (begins) {
      from -= kRingHeadBytes;
      offset -= kRingHeadBytes;
      length += kRingHeadBytes;
      RingSlotHead head;
      head.slot_bytes = slot_bytes_;
      head.log_number = position_.log_number;
      head.incarnation = position_.incarnation;
      head.durable = site_ == IoSite::kDurableWal;
      head.piece = static_cast<uint32_t>(chain_.size() - 1);
      EncodeRingSlotHead(OwnerOf(slot), head, from);
    }
    // Where groups are durable, so is every head: a missing one is damage.
    const bool durable_head = begins && site_ == IoSite::kDurableWal;
    LSMLAB_CO_TRY(co_await WriteSlot(slot, offset, from, length, durable || durable_head));
    if (slot.unsynced) all_synced_ = false;
    position_.offset += bytes;
    done += bytes;
  }
  co_return Status();
}

// Takes a slot for the next piece of the current segment, a new one when none is free.
Task<Status> RingWal::AddPiece() {
  Slot* slot = TakeFreeSlot();
  if (slot == nullptr) {
    // The stage holds what is to be written.
    char* const kept = std::exchange(stage_, nullptr);
    const uint64_t kept_bytes = std::exchange(stage_bytes_, 0);
    Status made = co_await MakeSlots(1);
    FreeStage();
    stage_ = kept;
    stage_bytes_ = kept_bytes;
    LSMLAB_CO_TRY(std::move(made));
    slot = TakeFreeSlot();
  }
  if (slot->file == nullptr) {
    Result<std::unique_ptr<IoFile>> opened =
        co_await OpenFile(*env_.io, site_, OpenMode::kReadWrite, slot->path);
    if (!opened.ok()) co_return opened.status();
    slot->file = std::move(opened).value();
  }
  slot->unsynced = false;  // what is not synced of it belongs to a segment that was released
  chain_.push_back(slot);
  co_return Status();
}

Task<Status> RingWal::WriteSlot(Slot& slot, uint64_t offset, const char* data, uint64_t length,
                                bool durable) {
  if (durable) {
    LSMLAB_CO_TRY(co_await WriteDurably(*env_.io, site_, *slot.file, offset, data, length));
    syncs_.fetch_add(1, std::memory_order_relaxed);
  } else {
    LSMLAB_CO_TRY(co_await WriteAt(*env_.io, site_, *slot.file, offset, data, length));
    slot.unsynced = true;
  }
  bytes_written_.fetch_add(length, std::memory_order_relaxed);
  co_return Status();
}

Task<Status> RingWal::SyncAll() {
  std::vector<std::pair<uint64_t, Slot*>> unsynced;
  {
    std::lock_guard lock(mutex_);
    for (const std::unique_ptr<Slot>& slot : slots_) {
      if (slot->unsynced && slot->log_number != 0) {
        unsynced.emplace_back(slot->log_number, slot.get());
      }
    }
  }
  std::sort(unsynced.begin(), unsynced.end());
  for (const auto& [log_number, slot] : unsynced) {
    Status synced = co_await DataSync(*env_.io, site_, *slot->file);
    if (!synced.ok()) co_return Poison(std::move(synced));
    slot->unsynced = false;
    syncs_.fetch_add(1, std::memory_order_relaxed);
  }
  all_synced_ = true;
  position_.synced_offset = position_.offset;
  co_return Status();
}

Task<Status> RingWal::Sync() {
  LSMLAB_CO_TRY(Poisoned());
  if (all_synced_) co_return Status();
  co_return co_await SyncAll();
}

Task<Status> RingWal::Release(uint64_t log_number) {
  std::vector<std::string> removed;
  {
    std::lock_guard lock(mutex_);
    if (!poison_.ok()) co_return poison_;
    removed = std::move(to_remove_);
    to_remove_.clear();
    for (const std::unique_ptr<Slot>& slot : slots_) {
      if (slot->log_number >= log_number) continue;
      if (slot->retired) removed.push_back(slot->path);
      slot->log_number = 0;
    }
    std::erase_if(slots_, [](const auto& slot) { return slot->retired && slot->log_number == 0; });
    for (const LogFile& file : old_files_) {
      if (file.log_number < log_number) removed.push_back(file.path);
    }
    std::erase_if(old_files_, [&](const LogFile& f) { return f.log_number < log_number; });
  }
  // Not synced: what a crash brings back lies below the catalog's log number.
  Status status;
  for (size_t i = 0; i < removed.size(); ++i) {
    status = co_await UnlinkFile(*env_.io, site_, removed[i]);
    if (status.IsNotFound()) status = Status();
    if (status.ok()) continue;
    std::lock_guard lock(mutex_);
    to_remove_.assign(std::make_move_iterator(removed.begin() + i),
                      std::make_move_iterator(removed.end()));
    break;
  }
  co_return status;
}

Task<Status> RingWal::Recover(WalExpectation expected, WalReplayer& replayer, WalReplayStats* stats,
                              uint64_t* largest_log_number) {
  LSMLAB_ASSERT(!started_);
  FoundLogs found;
  Status recovered = co_await RecoverLogs(env_, expected, replayer, stats, &found);
  *largest_log_number = found.largest_log_number;
  LSMLAB_CO_TRY(std::move(recovered));
  continuation_ = found.continuation;
  accepted_ = std::move(found.accepted);
  position_.log_number = found.largest_log_number;
  std::lock_guard lock(mutex_);
  for (LogFile& file : found.files) {
    if (file.slot == 0) {
      old_files_.push_back(std::move(file));
      continue;
    }
    next_slot_ = std::max(next_slot_, file.slot + 1);
    auto slot = std::make_unique<Slot>();
    slot->number = file.slot;
    slot->path = std::move(file.path);
    // What the catalog no longer asks for is free.
    if (file.log_number >= expected.min_log_number) slot->log_number = file.log_number;
    slot->retired = !file.finished || file.bytes != slot_bytes_;
    slots_.push_back(std::move(slot));
  }
  std::sort(slots_.begin(), slots_.end(),
            [](const auto& a, const auto& b) { return a->number < b->number; });
  size_t usable = 0;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (!slot->retired && ++usable > slots_kept_) slot->retired = true;
  }
  co_return Status();
}

Task<Status> RingWal::Close() {
  LSMLAB_CO_TRY(co_await Sync());
  if (!started_) co_return Status();
  encoder_.Begin(Identity(), position_.synced_offset);
  encoder_.AppendEndMark();
  LSMLAB_CO_TRY(co_await Put(encoder_.bytes(), true, Tail::kOpen));
  std::lock_guard lock(mutex_);
  for (const std::unique_ptr<Slot>& slot : slots_) slot->file.reset();
  co_return Status();
}

std::unique_ptr<Wal> MakeRingWal(const SettingBag& bag, const WalEnvironment& environment) {
  return std::make_unique<RingWal>(bag, environment);
}

constexpr SettingSpec kRingSettings[] = {
    {"segment_size", SettingType::kBytes, "0", 0, 536870912.0, "",
     "bytes of a slot, rounded up to 4 KiB; when the log of a memtable fills one, the memtable is "
     "sealed; at least 16 KiB, or 0: where groups are synced 64 MiB, else a quarter more than a "
     "memtable, at most 512 MiB, and no memtable is sealed early"},
    {"segments", SettingType::kInteger, "4", 2, 64, "",
     "slots that are kept; more are made when all hold unflushed data"},
    {"prewrite", SettingType::kChoice, "need", 0, 0, "need|open",
     "when slots are made: each when none is free, which a writer then waits for once; or all when "
     "a store is opened"},
};

}  // namespace

const WalVariant kRingWal = {
    .name = "ring",
    .summary = "segments used again; prewritten where a group is made durable by one write",
    .settings = kRingSettings,
    .make = MakeRingWal,
};

}  // namespace lsmlab
