#include "variants/table/partitioned_verify.h"

#include <string>
#include <utility>

#include "variants/table/table_audit.h"

namespace lsmlab::table_internal {
namespace {

uint64_t EndOfBlock(const BlockHandle& handle) noexcept {
  return handle.offset + handle.size + kBlockTrailerBytes;
}

// Data blocks follow each other and are numbered so, over all partitions; zeros between them, the
// partitions and what follows.
Task<Status> CheckPartitions(const PartitionedFile& file) {
  const BlockIndex& top = file.top();
  uint64_t end = 0;
  uint64_t number = 0;
  for (uint32_t p = 0; p < top.count(); ++p) {
    const Result<BlockRef> partition = co_await file.LoadPartition(p, false, IoSite::kTableOpen);
    if (!partition.ok()) co_return partition.status();
    const PartitionView view(partition.value()->data);
    if (view.first_block != number) {
      co_return DamageAt(file.file().path(), top.handle(p).offset,
                         "a partition from block " + std::to_string(number) + " on",
                         std::to_string(view.first_block));
    }
    number += view.blocks();
    if (view.Place(view.blocks() - 1).continues != top.continues(p)) {
      co_return DamageAt(file.file().path(), top.handle(p).offset,
                         "a last block that goes on as the top index says", "another");
    }
    for (uint32_t i = 0; i < view.blocks(); ++i) {
      const BlockHandle handle = view.Place(i).handle;
      LSMLAB_CO_TRY(co_await CheckZeros(file, end, handle.offset));
      end = EndOfBlock(handle);
    }
  }
  if (number != file.properties().data_blocks) {
    co_return DamageAt(file.file().path(), file.footer().properties.offset,
                       std::to_string(number) + " data blocks",
                       std::to_string(file.properties().data_blocks));
  }
  for (uint32_t p = 0; p < top.count(); ++p) {
    LSMLAB_CO_TRY(co_await CheckZeros(file, end, top.handle(p).offset));
    end = EndOfBlock(top.handle(p));
  }
  co_return co_await CheckSections(file, end);
}

// Follows the entries through partitions and blocks.
class PlaceAudit {
 public:
  explicit PlaceAudit(const PartitionedFile& file) : file_(file) {}

  // Whether the next entry needs another partition, to be given by Enter.
  bool NeedsPartition() const noexcept { return partition_ == nullptr; }
  uint32_t next_partition() const noexcept { return next_partition_; }
  void Enter(BlockRef partition) noexcept {
    holder_ = std::move(partition);
    partition_ = holder_->data;
    block_ = 0;
    ++next_partition_;
  }
  TableFilter filter() const noexcept {
    return file_.has_filter() ? file_.FilterOf(PartitionView(partition_)) : TableFilter{};
  }
  // REQUIRES: !NeedsPartition().
  Status Take(const Entry& entry) {
    const PartitionView view(partition_);
    const Entry last = view.index.At(block_);
    if (at_start_ && any_ && continues_ != (entry.key == last_key_)) {
      return DamageAt(file_.file().path(), view.Place(block_).handle.offset,
                      "a first key as the index says", "another");
    }
    any_ = true;
    at_start_ = entry.tag == last.tag && entry.key == last.key;
    if (!at_start_) return Status();
    continues_ = view.Place(block_).continues;
    last_key_ = entry.key;
    if (++block_ == view.blocks() && next_partition_ < file_.top().count()) partition_ = nullptr;
    if (block_ == view.blocks() && partition_ != nullptr) --block_;  // entries beyond: audited
    return Status();
  }

 private:
  const PartitionedFile& file_;
  BlockRef holder_;
  const char* partition_ = nullptr;
  uint32_t next_partition_ = 0, block_ = 0;
  bool at_start_ = false, any_ = false, continues_ = false;
  std::string last_key_;
};

}  // namespace

Task<Status> VerifyPartitionedFile(const PartitionedFile& file,
                                   std::unique_ptr<InternalIterator> entries) {
  LSMLAB_CO_TRY(co_await CheckPartitions(file));
  EntryAudit audit(file);
  PlaceAudit places(file);
  Status status = co_await entries->SeekToFirst();
  while (status.ok() && entries->valid()) {
    if (places.NeedsPartition()) {
      Result<BlockRef> partition =
          co_await file.LoadPartition(places.next_partition(), false, IoSite::kTableOpen);
      if (!partition.ok()) co_return partition.status();
      places.Enter(std::move(partition).value());
    }
    LSMLAB_CO_TRY(audit.Take(entries->entry(), places.filter(), 0));
    LSMLAB_CO_TRY(places.Take(entries->entry()));
    status = co_await entries->Next();
  }
  if (!status.ok()) co_return status;
  co_return audit.Conclude();
}

}  // namespace lsmlab::table_internal
