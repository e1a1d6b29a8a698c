#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "engine/parts/io.h"

namespace lsmlab::test {

// Forwards every operation but those that `answer` takes: it then completes them itself, with the
// status in the operation. For errors and lies at the boundary of the I/O part.
class FilterIo : public Io {
 public:
  // True: the operation was answered. Called on the thread of the operation.
  using Answer = std::function<bool(IoOp& op)>;

  FilterIo(std::shared_ptr<Io> inner, Answer answer)
      : inner_(std::move(inner)), answer_(std::move(answer)) {}

  bool Start(IoOp& op) noexcept override { return answer_(op) || inner_->Start(op); }
  size_t Poll(int64_t deadline_ns) noexcept override { return inner_->Poll(deadline_ns); }
  void Wake() noexcept override { inner_->Wake(); }
  bool defers() const noexcept override { return inner_->defers(); }
  void* AllocateBuffer(size_t bytes) override { return inner_->AllocateBuffer(bytes); }
  void FreeBuffer(void* buffer, size_t bytes) noexcept override {
    inner_->FreeBuffer(buffer, bytes);
  }
  IoCounters Counters() const noexcept override { return inner_->Counters(); }
  IoCounters Counters(IoSite site) const noexcept override { return inner_->Counters(site); }

 private:
  const std::shared_ptr<Io> inner_;
  const Answer answer_;
};

}  // namespace lsmlab::test
