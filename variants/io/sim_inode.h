#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "variants/io/sim_content.h"

namespace lsmlab {

// What the simulated device writes whole or not at all, bytes.
inline constexpr uint64_t kSimSector = 512;

// A change of a file's `current` since its last sync: bytes at an offset, or a new size (no data).
struct PendingChange {
  std::shared_ptr<const std::string> data;  // null: a truncation
  uint64_t offset = 0;                      // of a truncation: the new size
  bool durable = false;                     // made so by itself, before what stands in front of it

  void ApplyTo(SimContent& content) const {
    if (data == nullptr) {
      content.Resize(offset);
    } else {
      content.Write(offset, data->data(), data->size());
    }
  }
};

// A file or directory of a SimDisk, guarded by the disk's mutex.
struct SimInode {
  SimInode(uint64_t number, bool directory) : id(number), is_directory(directory) {}

  using Names = std::map<std::string, std::shared_ptr<SimInode>, std::less<>>;

  const uint64_t id;
  const bool is_directory;

  // Files. current = durable + pending, unless a failed sync lost something.
  SimContent current, durable;
  std::vector<PendingChange> pending;
  bool lost = false;     // a sync failed: pages of `current` may hold what is not durable
  uint64_t charged = 0;  // bytes of the disk's capacity
  int links = 0;
  int handles = 0;
  bool locked = false;

  // Directories.
  Names names, durable_names;

  // fsync and fdatasync.
  void FoldPending() {
    for (const PendingChange& change : pending) {
      if (lost || change.data == nullptr) {
        change.ApplyTo(durable);
      } else {
        durable.ShareRange(current, change.offset, change.data->size());
      }
    }
    pending.clear();
  }
  // A failed sync: the pages count as clean.
  void LosePending() {
    pending.clear();
    lost = true;
  }
};

// A change of names that is not durable yet. Creation: `from` is null. Removal: `to` is null.
// Rename: both, atomic.
struct NameChange {
  std::shared_ptr<SimInode> inode;
  std::shared_ptr<SimInode> from, to;  // directories
  std::string from_name, to_name;

  bool Touches(const SimInode* directory) const {
    return from.get() == directory || to.get() == directory;
  }
  // Makes it durable. Holds in any order: what is not there is not removed.
  void Fold() const {
    if (from != nullptr) {
      auto found = from->durable_names.find(from_name);
      if (found != from->durable_names.end() && found->second == inode) {
        from->durable_names.erase(found);
      }
    }
    if (to != nullptr) to->durable_names.insert_or_assign(to_name, inode);
  }
};

}  // namespace lsmlab
