#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "engine/base/assert.h"
#include "engine/parts/io.h"
#include "tests/support/finish.h"

// An Io for tests of formats and tables: files are strings in memory, every operation completes
// inside the call. It checks the alignment that a direct file asks for. No crashes, no faults;
// those are the business of the simulated io.
namespace lsmlab::test {

class MemoryIo final : public Io {
 public:
  explicit MemoryIo(size_t alignment = 1) : alignment_(alignment) {}

  // The bytes of a file, to look at or to damage.
  std::string& Contents(const std::string& path) { return *files_.at(path); }
  void Put(const std::string& path, std::string bytes) {
    files_[path] = std::make_shared<std::string>(std::move(bytes));
  }
  void Remove(const std::string& path) { files_.erase(path); }
  bool Exists(const std::string& path) const { return files_.count(path) != 0; }
  // Reads answer with this error while it is not ok.
  void FailReads(Status status) { read_failure_ = std::move(status); }

  // Writes are counted and thrown away: for measuring what comes before them.
  void DiscardWrites() { discard_writes_ = true; }

  bool Start(IoOp& op) noexcept override {
    std::lock_guard guard(mutex_);
    Count(op);
    switch (op.kind) {
      case IoKind::kOpen:
        Open(op);
        break;
      case IoKind::kRead:
        Read(op);
        break;
      case IoKind::kWrite:
        Write(op);
        break;
      case IoKind::kUnlink:
        if (files_.erase(op.path) == 0) op.status = Status::NotFound(op.path);
        break;
      case IoKind::kRename: {
        files_[op.path_to] = files_.at(op.path);
        files_.erase(op.path);
        break;
      }
      case IoKind::kTruncate:
        Of(op).resize(op.length);
        break;
      default:
        break;  // syncs, directories: nothing to do
    }
    return true;
  }
  size_t Poll(int64_t) noexcept override { return 0; }
  void Wake() noexcept override {}
  bool defers() const noexcept override { return false; }
  void* AllocateBuffer(size_t bytes) override {
    return std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  }
  void FreeBuffer(void* buffer, size_t) noexcept override { std::free(buffer); }
  IoCounters Counters() const noexcept override { return total_; }
  IoCounters Counters(IoSite site) const noexcept override {
    return by_site_[static_cast<size_t>(site)];
  }

 private:
  class File final : public IoFile {
   public:
    File(std::string path, std::shared_ptr<std::string> bytes, size_t alignment)
        : IoFile(std::move(path)), bytes_(std::move(bytes)), alignment_(alignment) {}
    size_t alignment() const noexcept override { return alignment_; }
    uint64_t size() const noexcept override { return bytes_->size(); }
    std::string& bytes() noexcept { return *bytes_; }

   private:
    std::shared_ptr<std::string> bytes_;
    size_t alignment_;
  };

  static std::string& Of(IoOp& op) { return static_cast<File*>(op.file)->bytes(); }
  void CheckAligned(const IoOp& op) const {
    LSMLAB_ASSERT(op.offset % alignment_ == 0 && op.length % alignment_ == 0);
    LSMLAB_ASSERT(reinterpret_cast<uintptr_t>(op.data) % alignment_ == 0);
  }
  void Open(IoOp& op) {
    const bool exists = Exists(op.path);
    if (op.mode == OpenMode::kCreate) {
      if (exists) {
        op.status = Status::IoError(op.path + " exists");
        return;
      }
      files_[op.path] = std::make_shared<std::string>();
    } else if (!exists) {
      op.status = Status::NotFound(op.path);
      return;
    }
    op.opened = std::make_unique<File>(op.path, files_[op.path], alignment_);
  }
  void Read(IoOp& op) {
    CheckAligned(op);
    if (!read_failure_.ok()) {
      std::memset(op.data, 0xdb, op.length);  // a failed read leaves anything behind
      op.status = read_failure_;
      return;
    }
    const std::string& bytes = Of(op);
    const size_t start = std::min<size_t>(op.offset, bytes.size());
    op.transferred = std::min(op.length, bytes.size() - start);
    std::memcpy(op.data, bytes.data() + start, op.transferred);
  }
  void Write(IoOp& op) {
    CheckAligned(op);
    op.transferred = op.length;
    if (discard_writes_) return;
    std::string& bytes = Of(op);
    if (bytes.size() < op.offset + op.length) bytes.resize(op.offset + op.length);
    std::memcpy(bytes.data() + op.offset, op.data, op.length);
  }
  void Count(const IoOp& op) {
    for (IoCounters* c : {&total_, &by_site_[static_cast<size_t>(op.site)]}) {
      c->reads += op.kind == IoKind::kRead;
      c->read_bytes += op.kind == IoKind::kRead ? op.length : 0;
      c->writes += op.kind == IoKind::kWrite;
      c->write_bytes += op.kind == IoKind::kWrite ? op.length : 0;
      c->syncs += op.kind == IoKind::kDataSync || op.kind == IoKind::kSync;
    }
  }

  const size_t alignment_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<std::string>> files_;
  Status read_failure_;
  bool discard_writes_ = false;
  IoCounters total_;
  IoCounters by_site_[static_cast<size_t>(IoSite::kCount)];
};

}  // namespace lsmlab::test
