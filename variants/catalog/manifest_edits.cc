#include "variants/catalog/manifest_edits.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace lsmlab {
namespace {

// What items take at most when they are encoded, beside keys and lists.
constexpr size_t kTableBytes = 192;
constexpr size_t kValueUseBytes = 20;
constexpr size_t kValueFileBytes = 96;
constexpr size_t kRemovedBytes = 12;
// What the numbers take, and the policy's state.
constexpr size_t kNumbersBytes = kMaxPolicyStateBytes + 128;
// Of one edit of a snapshot or of a part.
constexpr size_t kItemsMost = 4096;

// Packs the items of one tree into edits of limited size.
class EditPacker {
 public:
  EditPacker(uint32_t tree, bool continues, const TakeEdit& take)
      : tree_(tree), continues_(continues), take_(take) {
    Clear();
  }
  void Add(const TableEntry& table) {
    MakeRoom(kTableBytes + table.smallest_key.size() + table.largest_key.size() +
             kValueUseBytes * table.values.size());
    edit_.added.push_back(table);
  }
  void Add(const ValueFileEntry& file) {
    MakeRoom(kValueFileBytes);
    edit_.values_added.push_back(file);
  }
  void AddRemoved(RemovedTable table) {
    MakeRoom(kRemovedBytes);
    edit_.removed.push_back(table);
  }
  void AddRemovedValues(uint64_t file) {
    MakeRoom(kRemovedBytes);
    edit_.values_removed.push_back(file);
  }
  // What was not given away yet.
  VersionEdit& rest() noexcept { return edit_; }
  bool has_rest() const noexcept { return items_ > 0; }

 private:
  // A table that is too large by itself, for the files it refers to, gets an edit of its own.
  void MakeRoom(size_t bytes) {
    if (items_ > 0 && (items_ == kItemsMost || bytes_ + bytes > kMaxEditBytes - kNumbersBytes)) {
      edit_.continues = continues_;
      take_(edit_);
      Clear();
    }
    bytes_ += bytes;
    ++items_;
  }
  void Clear() {
    edit_ = VersionEdit();
    edit_.tree = tree_;
    bytes_ = items_ = 0;
  }

  const uint32_t tree_;
  const bool continues_;
  const TakeEdit& take_;
  VersionEdit edit_;
  size_t bytes_ = 0, items_ = 0;
};

bool HasNumbers(const VersionEdit& edit) {
  return edit.log_number || edit.last_sequence || edit.next_file || edit.closed_log ||
         edit.closed_log_bytes || edit.policy_state;
}

// Puts `first` in front of what is in `list`.
template <typename List>
void Prepend(List& first, List* list) {
  first.insert(first.end(), std::make_move_iterator(list->begin()),
               std::make_move_iterator(list->end()));
  list->swap(first);
}

}  // namespace

void SplitEdit(const VersionEdit& edit, const TakeEdit& take) {
  EditPacker packer(edit.tree, /*continues=*/true, take);
  for (const TableEntry& table : edit.added) packer.Add(table);
  for (const RemovedTable& table : edit.removed) packer.AddRemoved(table);
  for (const ValueFileEntry& file : edit.values_added) packer.Add(file);
  for (const uint64_t file : edit.values_removed) packer.AddRemovedValues(file);
  VersionEdit& last = packer.rest();
  last.log_number = edit.log_number;
  last.last_sequence = edit.last_sequence;
  last.next_file = edit.next_file;
  last.closed_log = edit.closed_log;
  last.closed_log_bytes = edit.closed_log_bytes;
  last.policy_state = edit.policy_state;
  take(last);
}

void SnapshotEdits(const CatalogState& state, const TakeEdit& take) {
  VersionEdit head;
  head.log_number = state.log_number;
  head.last_sequence = state.last_sequence;
  head.next_file = state.next_file;
  if (state.closed_log != 0) {
    head.closed_log = state.closed_log;
    head.closed_log_bytes = state.closed_log_bytes;
  }
  head.policy_state = state.policy_state;
  take(head);
  std::map<uint32_t, EditPacker> trees;
  const auto packer = [&](uint32_t tree) -> EditPacker& {
    return trees.try_emplace(tree, tree, /*continues=*/false, take).first->second;
  };
  for (const ValueFileEntry& file : state.value_files) packer(file.tree).Add(file);
  for (const TableEntry& table : state.tables) packer(table.tree).Add(table);
  for (auto& [tree, rest] : trees) {
    if (rest.has_rest()) take(rest.rest());
  }
}

Status EditJoiner::Add(VersionEdit part) {
  if (open_ && part.tree != edit_.tree) {
    return Status::Corruption("version edit: expected the next part of one of tree " +
                              std::to_string(edit_.tree) + ", found one of tree " +
                              std::to_string(part.tree));
  }
  if (part.continues && HasNumbers(part)) {
    return Status::Corruption("version edit: expected numbers in the last part, found some before");
  }
  if (std::exchange(open_, part.continues)) {
    Prepend(edit_.added, &part.added);
    Prepend(edit_.removed, &part.removed);
    Prepend(edit_.values_added, &part.values_added);
    Prepend(edit_.values_removed, &part.values_removed);
  }
  if (std::max(part.added.size(), part.removed.size()) > kMaxTables ||
      std::max(part.values_added.size(), part.values_removed.size()) > kMaxValueFiles) {
    return Status::Corruption("version edit: its parts name more files than there may be");
  }
  edit_ = std::move(part);
  return Status();
}

Status CheckManifestBytes(uint64_t bytes, uint64_t limit) {
  constexpr uint64_t kMarkBytes = 4096;
  if (bytes + kMarkBytes <= limit) return Status();
  return Status::InvalidArgument("catalog: expected a manifest of at most " +
                                 std::to_string(limit - kMarkBytes) + " bytes, found " +
                                 std::to_string(bytes));
}

}  // namespace lsmlab
