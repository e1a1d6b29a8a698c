#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "engine/parts/io.h"
#include "variants/io/direct_files.h"
#include "variants/io/sim_disk.h"

namespace lsmlab {

// An open file of a SimDisk.
class SimFile final : public IoFile {
 public:
  // Counts as a handle of the inode. REQUIRES: the disk's mutex is held.
  SimFile(std::string path, std::shared_ptr<SimDisk> disk, std::shared_ptr<SimInode> inode,
          bool writable, bool direct)
      : IoFile(std::move(path)),
        disk_(std::move(disk)),
        inode_(std::move(inode)),
        writable_(writable),
        direct_(direct),
        size_(inode_->current.size()) {
    ++inode_->handles;
  }
  ~SimFile() override {
    std::lock_guard guard(disk_->mutex_);
    --inode_->handles;
    disk_->ReleaseIfUnused(*inode_);
  }
  size_t alignment() const noexcept override { return direct_ ? kDirectAlignment : 1; }
  uint64_t size() const noexcept override { return size_.load(std::memory_order_acquire); }

  SimInode& inode() const noexcept { return *inode_; }
  bool writable() const noexcept { return writable_; }
  void NoteSize() noexcept { size_.store(inode_->current.size(), std::memory_order_release); }

 private:
  const std::shared_ptr<SimDisk> disk_;
  const std::shared_ptr<SimInode> inode_;
  const bool writable_;
  const bool direct_;
  std::atomic<uint64_t> size_;
};

// A held lock.
class SimLockFile final : public IoFile {
 public:
  SimLockFile(std::string path, std::shared_ptr<SimDisk> disk, std::shared_ptr<SimInode> inode)
      : IoFile(std::move(path)), disk_(std::move(disk)), inode_(std::move(inode)) {
    inode_->locked = true;
  }
  ~SimLockFile() override {
    std::lock_guard guard(disk_->mutex_);
    inode_->locked = false;
  }
  size_t alignment() const noexcept override { return 1; }
  uint64_t size() const noexcept override { return 0; }

 private:
  const std::shared_ptr<SimDisk> disk_;
  const std::shared_ptr<SimInode> inode_;
};

}  // namespace lsmlab
