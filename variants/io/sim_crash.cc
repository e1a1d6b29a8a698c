#include <algorithm>
#include <map>
#include <utility>

#include "engine/base/random.h"
#include "variants/io/sim_disk.h"

// Snapshots and crashes of SimDisk.
namespace lsmlab {
namespace {

// The part [begin, end) of a change's bytes, in file offsets.
void ApplyPart(const PendingChange& change, uint64_t begin, uint64_t end, SimContent& content) {
  content.Write(begin, change.data->data() + (begin - change.offset),
                static_cast<size_t>(end - begin));
}

void KeepPrefix(const std::vector<PendingChange>& pending, Random& random, SimContent& content) {
  const size_t kept = static_cast<size_t>(random.Below(pending.size() + 1));
  for (size_t i = 0; i < pending.size(); ++i) {
    const PendingChange& change = pending[i];
    if (i < kept || change.durable) {
      change.ApplyTo(content);
    } else if (i == kept && change.data != nullptr) {
      const uint64_t torn = change.offset + random.Below(change.data->size() + 1);
      const uint64_t end = torn / kSimSector * kSimSector;
      if (end > change.offset) ApplyPart(change, change.offset, end, content);
    }
  }
}

// `grow`: the size of a lost piece may survive without its bytes.
void KeepSectors(const std::vector<PendingChange>& pending, uint64_t percent, bool grow,
                 Random& random, SimContent& content) {
  for (const PendingChange& change : pending) {
    if (change.durable) {
      change.ApplyTo(content);
      continue;
    }
    if (change.data == nullptr) {
      if (random.Below(100) < percent) change.ApplyTo(content);
      continue;
    }
    const uint64_t end = change.offset + change.data->size();
    for (uint64_t begin = change.offset; begin < end;) {
      const uint64_t next = std::min(end, (begin / kSimSector + 1) * kSimSector);
      if (random.Below(100) < percent) {
        ApplyPart(change, begin, next, content);
      } else if (grow && next > content.size() && random.OneIn(2)) {
        content.Resize(next);
      }
      begin = next;
    }
  }
}

}  // namespace

// Builds the copy of a disk. Directories and files keep their identity: an inode that is reachable
// in several ways is copied once.
class SimCrash {
 public:
  explicit SimCrash(const SimDisk& from) : disk_(SimDisk::Make(from.options_)) {
    disk_->root_ = Copy(from.root_);
    for (const NameChange& change : from.name_changes_) {
      disk_->name_changes_.push_back(NameChange{Copy(change.inode), Copy(change.from),
                                                Copy(change.to), change.from_name, change.to_name});
    }
    disk_->next_inode_ = from.next_inode_;
    disk_->steps_ = from.steps_;
    disk_->trace_hash_ = from.trace_hash_;
    RecountLinks();
  }

  // Draws what survives, and makes that the state of the disk.
  void Settle(CrashMode mode, Random& random) {
    const CrashMode data = DataMode(mode, random);
    constexpr uint64_t kPercents[] = {10, 50, 90};
    const uint64_t percent = kPercents[random.Below(3)];
    for (auto& [id, inode] : by_id_) {
      SimContent content = data == CrashMode::kAll ? inode->current : inode->durable;
      if (data == CrashMode::kPrefix) KeepPrefix(inode->pending, random, content);
      if (data == CrashMode::kSectors || data == CrashMode::kSizes) {
        KeepSectors(inode->pending, percent, data == CrashMode::kSizes, random, content);
      }
      inode->current = inode->durable = content;
      inode->pending.clear();
      inode->lost = false;
      inode->charged = SimDisk::InPages(content.size());
    }
    disk_->steps_ = 0;
    disk_->trace_hash_ = 0;
    SettleNames(mode, random);
    RecountLinks();
  }

  std::shared_ptr<SimDisk> Take() { return std::move(disk_); }

 private:
  static CrashMode DataMode(CrashMode mode, Random& random) {
    if (mode != CrashMode::kNames) return mode;
    constexpr CrashMode kEither[] = {CrashMode::kDurable, CrashMode::kPrefix, CrashMode::kAll};
    return kEither[random.Below(3)];
  }

  void SettleNames(CrashMode mode, Random& random) {
    std::vector<NameChange>& changes = disk_->name_changes_;
    size_t prefix = changes.size();
    if (mode == CrashMode::kDurable) prefix = 0;
    if (mode == CrashMode::kPrefix || mode == CrashMode::kSectors || mode == CrashMode::kSizes) {
      prefix = static_cast<size_t>(random.Below(changes.size() + 1));
    }
    if (mode == CrashMode::kAll) {
      // Also what a failed sync of a directory has forgotten: the kernel still shows it.
      for (auto& [id, inode] : by_id_) inode->durable_names = inode->names;
    } else {
      for (size_t i = 0; i < prefix; ++i) {
        if (mode == CrashMode::kNames && random.OneIn(2)) continue;
        changes[i].Fold();
      }
      for (auto& [id, inode] : by_id_) inode->names = inode->durable_names;
    }
    changes.clear();
  }

  std::shared_ptr<SimInode> Copy(const std::shared_ptr<SimInode>& inode) {
    if (inode == nullptr) return nullptr;
    std::shared_ptr<SimInode>& copy = by_id_[inode->id];
    if (copy != nullptr) return copy;
    copy = std::make_shared<SimInode>(inode->id, inode->is_directory);
    const std::shared_ptr<SimInode> made = copy;  // the map may move it
    made->current = inode->current;
    made->durable = inode->durable;
    made->pending = inode->pending;
    made->lost = inode->lost;
    made->charged = inode->charged;
    for (const auto& [name, child] : inode->names) made->names.emplace(name, Copy(child));
    for (const auto& [name, child] : inode->durable_names) {
      made->durable_names.emplace(name, Copy(child));
    }
    return made;
  }

  void RecountLinks() {
    for (auto& [id, inode] : by_id_) inode->links = 0;
    disk_->used_ = 0;
    Count(*disk_->root_);
  }
  void Count(SimInode& directory) {
    for (auto& [name, inode] : directory.names) {
      if (inode->links++ == 0) disk_->used_ += inode->charged;
      if (inode->is_directory) Count(*inode);
    }
  }

  std::shared_ptr<SimDisk> disk_;
  std::map<uint64_t, std::shared_ptr<SimInode>> by_id_;  // ordered: draws repeat
};

std::shared_ptr<SimDisk> SimDisk::CopyLocked() const { return SimCrash(*this).Take(); }

std::shared_ptr<SimDisk> SimDisk::Snapshot() const {
  std::lock_guard guard(mutex_);
  return CopyLocked();
}

std::shared_ptr<SimDisk> SimDisk::Crash(CrashMode mode, uint64_t seed) const {
  std::lock_guard guard(mutex_);
  SimCrash crash(*this);
  Random random(seed);
  crash.Settle(mode, random);
  return crash.Take();
}

}  // namespace lsmlab
