#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "engine/base/status.h"
#include "engine/format/version_edit.h"

// How a manifest holds what is too large for one of its records, and how large it may become.
namespace lsmlab {

using TakeEdit = std::function<void(const VersionEdit&)>;

// Gives an edit away in parts of at most kMaxEditBytes each when they are encoded: one change, of
// which all but the last part say that it continues.
void SplitEdit(const VersionEdit& edit, const TakeEdit& take);

// Gives a state away as edits of which each is whole and follows from those before it: the numbers
// first, then value files and tables by tree.
void SnapshotEdits(const CatalogState& state, const TakeEdit& take);

// Puts the parts of edits together again.
class EditJoiner {
 public:
  // The next edit read. Corruption: it is no part that may follow.
  Status Add(VersionEdit part);
  // Whether an edit was begun of which the last part is missing.
  bool open() const noexcept { return open_; }
  // What the last Add has completed. REQUIRES: not open.
  const VersionEdit& edit() const noexcept { return edit_; }

 private:
  VersionEdit edit_;
  bool open_ = false;
};

// A manifest is read in one piece, so there is a limit. A commit keeps a distance from it, so that
// the state with which the next manifest begins, whose edits are cut differently, fits, too.
inline constexpr uint64_t kManifestBytesMax = uint64_t{1} << 30;
inline constexpr uint64_t kManifestReserve = 1u << 20;

// InvalidArgument when a manifest of so many bytes and its marks would be above `limit`.
Status CheckManifestBytes(uint64_t bytes, uint64_t limit);

}  // namespace lsmlab
