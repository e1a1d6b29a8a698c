#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/format/value_file.h"
#include "engine/format/version_edit.h"
#include "engine/tree/table_handle.h"

namespace lsmlab {

// An open value file. Counted by the versions that hold it, as a table is: when the last one is
// gone and no table refers to the file any more, it is doomed.
class ValueFileHandle {
 public:
  ValueFileHandle(const ValueFileEntry& entry, std::unique_ptr<ValueFile> file, std::string path,
                  std::shared_ptr<DoomedFiles> doomed)
      : entry_(entry), file_(std::move(file)), path_(std::move(path)), doomed_(std::move(doomed)) {}

  void Ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    file_.reset();
    if (obsolete.load(std::memory_order_acquire)) doomed_->Add(std::move(path_));
    delete this;
  }
  const ValueFileEntry& entry() const noexcept { return entry_; }
  const ValueFile& file() const noexcept { return *file_; }
  const std::string& path() const noexcept { return path_; }

  std::atomic<bool> obsolete{false};  // set before the version that still holds it is dropped

 private:
  ~ValueFileHandle() = default;
  std::atomic<uint32_t> references_{1};
  const ValueFileEntry entry_;
  std::unique_ptr<ValueFile> file_;
  std::string path_;
  std::shared_ptr<DoomedFiles> doomed_;
};

}  // namespace lsmlab
