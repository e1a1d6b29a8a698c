#include "variants/cache/caches.h"

namespace lsmlab {
namespace {

// Keeps nothing: every block is read again.
class NoCache final : public BlockCache {
 public:
  Block* TryPin(BlockSlot&, const BlockId&, const ReadGuard&) noexcept final { return nullptr; }
  Block* Peek(BlockSlot&, const BlockId&, const ReadGuard&) noexcept final { return nullptr; }
  bool swizzled_slots() const noexcept final { return false; }
  BlockRef Insert(BlockSlot&, const BlockId&, BlockRef block) final { return block; }
  void Unpin(std::span<BlockSlot>, uint64_t) noexcept final {}
  void Forget(std::span<BlockSlot>, uint64_t) noexcept final {}
  CacheCounters Counters() const noexcept final { return {}; }
  uint64_t capacity_bytes() const noexcept final { return 0; }
};

}  // namespace

const CacheVariant kNoCache = {
    "none", "no block stays in memory", {}, [](const SettingBag&) -> std::unique_ptr<BlockCache> {
      return std::make_unique<NoCache>();
    }};

}  // namespace lsmlab
