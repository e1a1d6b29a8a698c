#include "tests/support/fault_io.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace lsmlab {

class FaultIo::File final : public IoFile {
 public:
  File(std::string path, std::shared_ptr<Inode> i, bool d)
      : IoFile(std::move(path)), inode(std::move(i)), direct(d) {}
  size_t alignment() const noexcept override { return direct ? 4096 : 1; }
  uint64_t size() const noexcept override { return inode->seen.size(); }
  std::shared_ptr<Inode> inode;
  const bool direct;
};

bool FaultIo::Start(IoOp& op) noexcept {
  ++operations_;
  const bool stopped = stop_at_ != 0 && operations_ >= stop_at_;
  if (stopped && operations_ > stop_at_) {
    op.status = Status::IoError("stopped before");
    return true;
  }
  if (operations_ == fail_at_) {
    if (op.kind == IoKind::kDataSync || op.kind == IoKind::kSync) {
      static_cast<File*>(op.file)->inode->pending.clear();
    }
    if (op.kind == IoKind::kWrite && op.data_sync_after) SeeWrite(op);
    op.status = Status(fail_code_, "injected");
    return true;
  }
  op.status = Do(op, stopped);
  if (stopped) op.status = Status::IoError("stopped here");
  return true;
}

Status FaultIo::Do(IoOp& op, bool stopped) {
  switch (op.kind) {
    case IoKind::kRead:
    case IoKind::kWrite:
    case IoKind::kSync:
    case IoKind::kDataSync:
      return DoFile(op, stopped);
    case IoKind::kSyncDir:
      if (stopped) return {};
      for (const DirectoryChange& change : changes_) Apply(durable_names_, change);
      changes_.clear();
      return {};
    case IoKind::kOpen:
      return Open(op);
    default:
      return DoDirectory(op);
  }
}

Status FaultIo::Open(IoOp& op) {
  const auto found = names_.find(op.path);
  if (op.mode == OpenMode::kCreate) {
    if (found != names_.end()) return Status::IoError(op.path + ": exists");
    changes_.push_back({op.path, std::make_shared<Inode>(), ""});
    Apply(names_, changes_.back());
  } else if (found == names_.end()) {
    return Status::NotFound(op.path);
  }
  const bool direct = direct_ && op.site == IoSite::kDurableWal;
  op.opened = std::make_unique<File>(op.path, names_.at(op.path), direct);
  return {};
}

void FaultIo::Put(std::string& bytes, uint64_t offset, Slice piece) {
  if (bytes.size() < offset + piece.size()) bytes.resize(offset + piece.size());
  bytes.replace(offset, piece.size(), piece);
}

void FaultIo::SeeWrite(const IoOp& op) {
  Put(static_cast<File*>(op.file)->inode->seen, op.offset,
      Slice(static_cast<const char*>(op.data), op.length));
}

Status FaultIo::DoFile(IoOp& op, bool stopped) {
  Inode& inode = *static_cast<File*>(op.file)->inode;
  if (op.kind == IoKind::kRead) {
    const size_t at = std::min<size_t>(op.offset, inode.seen.size());
    op.transferred = std::min(op.length, inode.seen.size() - at);
    std::memcpy(op.data, inode.seen.data() + at, op.transferred);
    return {};
  }
  if (op.kind == IoKind::kWrite) {
    const uint64_t mixed = op.offset | op.length | reinterpret_cast<uintptr_t>(op.data);
    if (mixed % op.file->alignment() != 0) return Status::InvalidArgument("misaligned");
    const bool durable = op.data_sync_after && !stopped;
    SeeWrite(op);
    inode.pending.push_back(
        {op.offset, std::string(static_cast<const char*>(op.data), op.length), durable});
    if (durable) {
      ++counters_.syncs;
      Put(inode.durable, op.offset, inode.pending.back().bytes);
      // What was durable before all that is still pending needs no place among it.
      while (!inode.pending.empty() && inode.pending.front().durable) {
        inode.pending.erase(inode.pending.begin());
      }
    }
    ++counters_.writes;
    counters_.write_bytes += op.length;
    op.transferred = op.length;
    return {};
  }
  if (stopped) return {};
  ++counters_.syncs;
  for (const Inode::Write& write : inode.pending) Put(inode.durable, write.offset, write.bytes);
  inode.pending.clear();
  return {};
}

Status FaultIo::DoDirectory(IoOp& op) {
  if (op.kind == IoKind::kList) {
    for (const auto& [path, inode] : names_) {
      if (path.rfind(op.path + "/", 0) != 0) continue;
      op.entries.push_back({path.substr(op.path.size() + 1), false, inode->seen.size()});
    }
    return {};
  }
  if (op.kind != IoKind::kUnlink && op.kind != IoKind::kRename) {
    return Status::NotSupported("not in this double");
  }
  const auto found = names_.find(op.path);
  if (found == names_.end()) return Status::NotFound(op.path);
  if (op.kind == IoKind::kUnlink) {
    changes_.push_back({op.path, nullptr, ""});
  } else {
    changes_.push_back({op.path_to, found->second, op.path});
  }
  Apply(names_, changes_.back());
  return {};
}

void FaultIo::Apply(Names_t& names, const DirectoryChange& change) {
  if (change.inode == nullptr) {
    names.erase(change.name);
    return;
  }
  names[change.name] = change.inode;
  if (!change.renamed_from.empty()) names.erase(change.renamed_from);
}

std::string FaultIo::Survivor(const Inode& inode, FaultCrash mode, Random& random) {
  std::string bytes = inode.durable;
  if (mode == FaultCrash::kDurableOnly) return bytes;
  if (mode == FaultCrash::kPrefix) {
    uint64_t total = 0;
    for (const Inode::Write& write : inode.pending) total += write.bytes.size();
    uint64_t left = random.Below(total + 1);
    for (const Inode::Write& write : inode.pending) {
      const uint64_t kept = std::min<uint64_t>(left, write.bytes.size());
      left -= kept;
      if (write.durable) {
        Put(bytes, write.offset, write.bytes);
      } else if (kept > 0) {
        Put(bytes, write.offset, Slice(write.bytes).substr(0, kept));
      }
    }
    return bytes;
  }
  constexpr uint64_t kSector = 512;
  const double keep[] = {0.1, 0.5, 0.9};
  const double p = keep[random.Below(3)];
  for (const auto& [offset, piece, durable] : inode.pending) {
    for (uint64_t at = offset; at < offset + piece.size();) {
      const uint64_t end = std::min((at / kSector + 1) * kSector, offset + piece.size());
      if (durable || random.NextDouble() < p) {
        Put(bytes, at, Slice(piece).substr(at - offset, end - at));
      }
      at = end;
    }
  }
  if (mode == FaultCrash::kExtended) bytes.resize(std::max(bytes.size(), inode.seen.size()));
  return bytes;
}

std::unique_ptr<FaultIo> FaultIo::Crash(FaultCrash mode, uint64_t seed) const {
  Random random(seed);
  Names_t names = mode == FaultCrash::kEverything ? names_ : durable_names_;
  if (mode != FaultCrash::kEverything && mode != FaultCrash::kDurableOnly) {
    const uint64_t kept = random.Below(changes_.size() + 1);
    for (uint64_t i = 0; i < changes_.size(); ++i) {
      const bool keep = mode == FaultCrash::kAnyDirectory ? random.OneIn(2) : i < kept;
      if (keep) Apply(names, changes_[i]);
    }
  }
  auto disk = std::make_unique<FaultIo>();
  disk->direct_ = direct_;
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy_of = [&](const Inode& inode) {
    std::shared_ptr<Inode>& copy = copies[&inode];
    if (copy == nullptr) {
      copy = std::make_shared<Inode>(inode);
      if (mode != FaultCrash::kEverything) {
        copy->durable = copy->seen = Survivor(inode, mode, random);
        copy->pending.clear();
      }
    }
    return copy;
  };
  for (const auto& [name, inode] : names) disk->names_[name] = copy_of(*inode);
  disk->durable_names_ = disk->names_;
  if (mode != FaultCrash::kEverything) return disk;
  // What is pending now is still pending for the next process.
  disk->durable_names_.clear();
  for (const auto& [name, inode] : durable_names_) disk->durable_names_[name] = copy_of(*inode);
  for (DirectoryChange change : changes_) {
    if (change.inode != nullptr) change.inode = copy_of(*change.inode);
    disk->changes_.push_back(change);
  }
  return disk;
}

std::vector<std::string> FaultIo::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : names_) names.push_back(entry.first);
  return names;
}

}  // namespace lsmlab
