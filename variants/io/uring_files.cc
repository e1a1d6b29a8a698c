#include "variants/io/uring_files.h"

#include <utility>

#include "variants/io/uring_ring.h"

namespace lsmlab {
namespace {

std::atomic<uint64_t> next_serial{1};

}  // namespace

UringFileTable::UringFileTable(uint32_t places) : places_(places), rings_(places) {
  for (uint32_t place = places; place > 0; --place) free_.push_back(place - 1);
}

void UringFileTable::Note(uint32_t place, UringRing* ring) {
  std::lock_guard guard(mutex_);
  rings_[place].push_back(ring);
}

void UringFileTable::Remove(UringRing* ring) noexcept {
  std::lock_guard guard(mutex_);
  for (std::vector<UringRing*>& rings : rings_) std::erase(rings, ring);
}

uint32_t UringFileTable::Take() {
  std::lock_guard guard(mutex_);
  if (free_.empty()) return kNone;
  const uint32_t place = free_.back();
  free_.pop_back();
  return place;
}

void UringFileTable::Give(uint32_t place) noexcept {
  std::lock_guard guard(mutex_);
  for (UringRing* ring : rings_[place]) ring->ForgetFile(place);
  rings_[place].clear();
  free_.push_back(place);
}

UringFile::UringFile(PosixFile& from, std::shared_ptr<UringFileTable> table)
    : PosixFile(from.path(), from.TakeFd(), from.alignment() != 1, from.size()),
      table_(std::move(table)),
      place_(table_->Take()),
      serial_(next_serial.fetch_add(1, std::memory_order_relaxed)) {}

// A table that keeps the file would keep the space of one that was unlinked.
UringFile::~UringFile() {
  if (place_ != UringFileTable::kNone) table_->Give(place_);
}

void LetRegister(IoOp& op, const std::shared_ptr<UringFileTable>& table) {
  if (table == nullptr) return;
  op.opened = std::make_unique<UringFile>(static_cast<PosixFile&>(*op.opened), table);
}

}  // namespace lsmlab
