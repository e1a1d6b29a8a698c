#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/entry.h"
#include "engine/format/lookup.h"
#include "variants/table/block_layout.h"

// Block layout `restarts`: keys share prefixes with the key before, and stand whole at every
// restart point, as in LevelDB's tables. A search is binary over the restart points, then linear.
//
//   block   := entry{n}, restart u32{r}, r u32
//   entry   := shared varint, unshared varint, value length varint, tag u64,
//              unshared bytes of the key, value bytes
//   restart := offset of an entry with shared = 0; the first is 0; strictly rising
//
// `shared` counts the bytes taken from the key before.
namespace lsmlab::table_internal {

class RestartsBuilder {
 public:
  explicit RestartsBuilder(const LayoutOptions& options)
      : interval_(options.restart_interval), block_(), last_key_() {
    block_.reserve(options.block_bytes + 256);
  }
  bool empty() const noexcept { return restarts_.empty(); }
  size_t bytes() const noexcept { return block_.size() + 4 * restarts_.size() + 4; }
  // An upper bound that counts the whole key as unshared would cut blocks early; this is exact but
  // for the lengths.
  size_t SizeWith(Slice key, Slice value) const noexcept;
  bool Fits(Slice, Slice) const noexcept { return true; }
  void Add(Slice key, Tag tag, Slice value);
  uint32_t last_place() const noexcept { return static_cast<uint32_t>(restarts_.size() - 1); }
  Slice Finish();
  void Reset() noexcept;

 private:
  size_t interval_;
  size_t since_restart_ = 0;
  std::string block_;
  std::string last_key_;
  std::vector<uint32_t> restarts_;
};

class RestartsCursor {
 public:
  void Attach(Slice block) noexcept;
  bool First(Entry& entry);
  bool Last(Entry& entry);
  bool Seek(Slice key, Tag tag, Entry& entry);
  bool SeekBefore(Slice key, Tag tag, Entry& entry);
  bool Next(Entry& entry);
  bool Prev(Entry& entry);
  // As Next, but leaves everything as it is at the end of the block.
  bool TryNext(Entry& entry) { return next_ < entries_end_ && Read(entry); }
  // How many entries follow is not known before they are read.
  uint32_t Remaining() const noexcept { return next_ < entries_end_ ? UINT32_MAX : 0; }
  void PrepareSeek(Slice) noexcept {}
  bool PreparedAfter(Slice) const noexcept { return false; }
  bool SeekPrepared(Slice key, Tag tag, Entry& entry) { return Seek(key, tag, entry); }

 private:
  // Reads the entry at next_ into `entry` and moves over it; false at the end.
  bool Read(Entry& entry);
  void MoveToRestart(uint32_t restart) noexcept;
  // The last entry that starts before `offset`, from restart point `restart` on.
  bool LastBefore(uint32_t restart, uint32_t offset, Entry& entry);

  const char* data_ = nullptr;
  uint32_t entries_end_ = 0;  // where the restart array starts
  uint32_t restart_count_ = 0;
  uint32_t at_ = 0;    // the current entry
  uint32_t next_ = 0;  // the entry after it
  std::string key_;    // the current key; entries point into it
};

struct RestartsLayout {
  static constexpr std::string_view kName = "restarts";
  static constexpr bool kNeedsExactBlock = false;
  // A place is a restart point; the versions of a key may lie behind several.
  static constexpr bool kKeyHasOnePlace = false;
  using Builder = RestartsBuilder;
  using Cursor = RestartsCursor;
  static Status Validate(Slice block);
  static SearchEnd Search(const char* block, uint32_t size, const LookupKey& lookup,
                          LookupFold& fold, const BlockRef* pin) noexcept;
  static uint32_t Places(Slice block) noexcept;
  static SearchEnd SearchPlace(const char* block, uint32_t size, uint32_t place,
                               const LookupKey& lookup, LookupFold& fold,
                               const BlockRef* pin) noexcept;
  // The search starts in the array at the end, which only the block's size finds.
  static size_t LinesToSearch(size_t) noexcept { return 1; }
  // How much of the keys is shared, only the blocks know.
  static uint64_t DataBytes(uint64_t, uint64_t) noexcept { return 0; }
};

}  // namespace lsmlab::table_internal
