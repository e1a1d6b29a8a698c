#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/version_edit.h"
#include "engine/parts/table.h"

namespace lsmlab {

// Files that nothing refers to any more, waiting for the next background job to close and unlink
// them. The last reference may be dropped by a reader, which must not touch the disk, or drop all
// tables of a merge in one step: of each the cache forgets every block. Thread-safe.
class DoomedFiles {
 public:
  struct Doomed {
    std::string path;
    std::unique_ptr<Table> table;  // null: the file is closed
  };
  void Add(std::string path, std::unique_ptr<Table> table = nullptr) {
    std::lock_guard guard(mutex_);
    doomed_.push_back({std::move(path), std::move(table)});
  }
  std::vector<Doomed> Take() {
    std::lock_guard guard(mutex_);
    return std::exchange(doomed_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Doomed> doomed_;
};

// An open table with its place in the tree. Counted by the versions that hold it; when the last one
// is gone and the table was compacted away, it is doomed with its file.
class TableHandle {
 public:
  TableHandle(TableEntry entry, std::unique_ptr<Table> table, std::string path,
              std::shared_ptr<DoomedFiles> doomed)
      : entry_(std::move(entry)),
        table_(std::move(table)),
        path_(std::move(path)),
        doomed_(std::move(doomed)) {}

  void Ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (obsolete.load(std::memory_order_acquire)) {
      doomed_->Add(std::move(path_), std::move(table_));
    }
    delete this;
  }
  const TableEntry& entry() const noexcept { return entry_; }
  const Table& table() const noexcept { return *table_; }
  const std::string& path() const noexcept { return path_; }

  std::atomic<bool> obsolete{false};  // set before the version that still holds it is dropped
  bool being_compacted = false;       // guarded by the tree's mutex

  // A moved table keeps file and object but gets a new place; see Version.
  struct Place {
    uint32_t level, run;
  };

 private:
  ~TableHandle() = default;
  std::atomic<uint32_t> references_{1};
  TableEntry entry_;
  std::unique_ptr<Table> table_;
  std::string path_;
  std::shared_ptr<DoomedFiles> doomed_;
};

}  // namespace lsmlab
