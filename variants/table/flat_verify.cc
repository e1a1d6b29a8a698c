#include "variants/table/flat_verify.h"

#include "variants/table/table_audit.h"

namespace lsmlab::table_internal {
namespace {

// The zeros between the data blocks, and what follows them.
Task<Status> CheckGaps(const FlatFile& file) {
  uint64_t end = 0;
  const BlockIndex& index = file.index();
  for (uint32_t i = 0; i < index.count(); ++i) {
    LSMLAB_CO_TRY(co_await CheckZeros(file, end, index.handle(i).offset));
    end = index.handle(i).offset + index.handle(i).size + kBlockTrailerBytes;
  }
  co_return co_await CheckSections(file, end);
}

// Whether the continues bit of every block says what the next block's first entry shows.
class ContinuationAudit {
 public:
  explicit ContinuationAudit(const FlatFile& file) : file_(file) {}
  Status Take(const Entry& entry) {
    const BlockIndex& index = file_.index();
    if (at_start_ && block_ > 0 &&
        index.continues(block_ - 1) != (entry.key == index.last_key(block_ - 1))) {
      return DamageAt(file_.file().path(), index.handle(block_).offset,
                      "a first key as the index says", "another");
    }
    at_start_ = entry.tag == index.last_tag(block_) && entry.key == index.last_key(block_);
    if (at_start_ && block_ + 1 < index.count()) ++block_;
    return Status();
  }

 private:
  const FlatFile& file_;
  uint32_t block_ = 0;
  bool at_start_ = false;
};

}  // namespace

Task<Status> VerifyFlatFile(const FlatFile& file, std::unique_ptr<InternalIterator> entries) {
  LSMLAB_CO_TRY(Status(file.filter_damage()));
  LSMLAB_CO_TRY(co_await CheckGaps(file));
  EntryAudit audit(file);
  TableFilter filter;
  filter.probe = file.filter();
  filter.data = file.filter_data();
  filter.size = file.filter_size();
  ContinuationAudit continuation(file);
  Status status = co_await entries->SeekToFirst();
  while (status.ok() && entries->valid()) {
    LSMLAB_CO_TRY(audit.Take(entries->entry(), filter, file.filter_prefix_bytes()));
    LSMLAB_CO_TRY(continuation.Take(entries->entry()));
    status = co_await entries->Next();
  }
  if (!status.ok()) co_return status;
  co_return audit.Conclude();
}

}  // namespace lsmlab::table_internal
