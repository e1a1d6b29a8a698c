#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/arena.h"
#include "engine/base/clock.h"
#include "engine/base/epoch.h"
#include "engine/composition.h"
#include "engine/tree/version.h"

namespace lsmlab {

// A memtable with its memory and the log segment that holds its records. Counted.
class MemtableHandle {
 public:
  MemtableHandle(const Choice<MemtableVariant>& choice, uint64_t log_number)
      : log_number_(log_number),
        begun_ns_(WallNanos()),
        memtable_(choice.variant->make(choice.settings, arena_)) {}

  void Ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  Memtable& memtable() noexcept { return *memtable_; }
  const Memtable& memtable() const noexcept { return *memtable_; }
  const Arena& arena() const noexcept { return arena_; }
  uint64_t log_number() const noexcept { return log_number_; }
  // The other shards whose logs must be durable before this memtable is flushed, as it holds parts
  // of batches that they have parts of. Guarded by the tree's mutex until the memtable is sealed.
  void AddLogPartner(uint32_t shard) {
    if (std::find(log_partners_.begin(), log_partners_.end(), shard) == log_partners_.end()) {
      log_partners_.push_back(shard);
    }
  }
  const std::vector<uint32_t>& log_partners() const noexcept { return log_partners_; }
  // No entry is older, by the time of day; those recovered from a log count from the recovery.
  int64_t begun_ns() const noexcept { return begun_ns_; }

 private:
  ~MemtableHandle() = default;
  std::atomic<uint32_t> references_{1};
  const uint64_t log_number_;
  const int64_t begun_ns_;
  std::vector<uint32_t> log_partners_;
  Arena arena_;
  std::unique_ptr<Memtable> memtable_;
};

// All that a reader needs, behind one pointer: the mutable memtable, the sealed ones that wait for
// their flush (newest first), the tables. Immutable, counted. The tree retires the pointer's old
// value through the epoch, so a reader under a ReadGuard uses it without counting; what outlives
// the guard takes a reference (ViewRef).
class TreeView {
 public:
  // Takes its own references.
  TreeView(MemtableHandle* memtable, std::vector<MemtableHandle*> sealed, Version* version)
      : memtable_(memtable), sealed_(std::move(sealed)), version_(version) {
    memtable_->Ref();
    for (MemtableHandle* handle : sealed_) handle->Ref();
    version_->Ref();
  }
  void Ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  MemtableHandle* memtable() const noexcept { return memtable_; }
  const std::vector<MemtableHandle*>& sealed() const noexcept { return sealed_; }
  Version* version() const noexcept { return version_; }

 private:
  ~TreeView() {
    memtable_->Unref();
    for (MemtableHandle* handle : sealed_) handle->Unref();
    version_->Unref();
  }
  std::atomic<uint32_t> references_{1};
  MemtableHandle* memtable_;
  std::vector<MemtableHandle*> sealed_;
  Version* version_;
};

// The counted pin: movable between threads, outlives guards.
class ViewRef {
 public:
  ViewRef() noexcept = default;
  static ViewRef Adopt(TreeView* view) noexcept {
    ViewRef ref;
    ref.view_ = view;
    return ref;
  }
  static ViewRef Share(TreeView* view) noexcept {
    view->Ref();
    return Adopt(view);
  }
  ViewRef(ViewRef&& o) noexcept : view_(std::exchange(o.view_, nullptr)) {}
  ViewRef& operator=(ViewRef&& o) noexcept {
    std::swap(view_, o.view_);
    return *this;
  }
  ~ViewRef() {
    if (view_ != nullptr) view_->Unref();
  }
  TreeView* get() const noexcept { return view_; }
  TreeView* operator->() const noexcept { return view_; }
  TreeView* Release() noexcept { return std::exchange(view_, nullptr); }

 private:
  TreeView* view_ = nullptr;
};

}  // namespace lsmlab
