#include "engine/format/version_edit.h"

#include <algorithm>
#include <limits>

#include "engine/base/coding.h"

// Grammar:
//   edit    := field*
//   field   := tag:varint bytes:varint content[bytes]
//   tags    := tree(1, varint; absent: 0) log_number(2, varint) last_sequence(3, varint)
//              next_file(4, varint) policy_state(5, bytes) added(6, table) removed(7, varint)
//              closed_log(8, varint) closed_log_bytes(9, varint)
//              value_file_added(10, value_file) value_file_removed(11, varint)
//              continues(12, varint: 1)
//   table   := file level run bytes entries tombstones raw_bytes id_high:u64 id_low:u64
//              key_bytes smallest_key key_bytes largest_key smallest_tag:u64 largest_tag:u64
//              min_sequence max_sequence created:u64 oldest_tombstone:u64 last_level(0|1) field*
//   table tags := sequence_override(1, varint) values(2, {file bytes}*)
//   value_file := file bytes records record_bytes id_high:u64 id_low:u64 created:u64 field*
// (varints where no width is given). A tag below 64 is mandatory: a reader that does not know it
// refuses the edit. From 64 on a tag is optional and may be skipped. Only what is added and removed
// repeats.
namespace lsmlab {
namespace {

enum EditTag : uint64_t {
  kTree = 1,
  kLogNumber = 2,
  kLastSequence = 3,
  kNextFile = 4,
  kPolicyState = 5,
  kAdded = 6,
  kRemoved = 7,
  kClosedLog = 8,
  kClosedLogBytes = 9,
  kValueFileAdded = 10,
  kValueFileRemoved = 11,
  kContinues = 12,
  kFirstOptional = 64,
};
constexpr uint64_t kSequenceOverride = 1;  // a table's tags
constexpr uint64_t kValueUses = 2;

void PutField(std::string& out, uint64_t tag, Slice content) {
  PutVarint64(out, tag);
  PutLengthPrefixed(out, content);
}

void PutNumber(std::string& out, uint64_t tag, uint64_t number) {
  char buffer[10];
  PutField(out, tag, Slice(buffer, static_cast<size_t>(EncodeVarint64(buffer, number) - buffer)));
}

void EncodeTable(const TableEntry& table, std::string& out) {
  for (uint64_t v : {table.file, uint64_t{table.level}, uint64_t{table.run}, table.bytes,
                     table.entries, table.tombstones, table.raw_bytes}) {
    PutVarint64(out, v);
  }
  PutFixed64(out, table.id.high);
  PutFixed64(out, table.id.low);
  PutLengthPrefixed(out, table.smallest_key);
  PutLengthPrefixed(out, table.largest_key);
  PutFixed64(out, table.smallest_tag);
  PutFixed64(out, table.largest_tag);
  PutVarint64(out, table.min_sequence);
  PutVarint64(out, table.max_sequence);
  PutFixed64(out, static_cast<uint64_t>(table.created_ns));
  PutFixed64(out, static_cast<uint64_t>(table.oldest_tombstone_ns));
  out.push_back(table.last_level ? 1 : 0);
  if (table.sequence_override) PutNumber(out, kSequenceOverride, *table.sequence_override);
  if (table.values.empty()) return;
  std::string uses;
  for (const ValueFileUse& use : table.values) {
    PutVarint64(uses, use.file);
    PutVarint64(uses, use.bytes);
  }
  PutField(out, kValueUses, uses);
}

void EncodeValueFile(const ValueFileEntry& file, std::string& out) {
  for (uint64_t v : {file.file, file.bytes, file.records, file.record_bytes}) PutVarint64(out, v);
  PutFixed64(out, file.id.high);
  PutFixed64(out, file.id.low);
  PutFixed64(out, static_cast<uint64_t>(file.created_ns));
}

Status Bad(std::string what) { return Status::Corruption("version edit: " + std::move(what)); }

bool ReadU32(Decoder& in, uint32_t* v) {
  uint64_t wide = 0;
  if (!in.GetVarint(&wide) || wide > std::numeric_limits<uint32_t>::max()) return false;
  *v = static_cast<uint32_t>(wide);
  return true;
}

// A field that is one varint and nothing more.
bool ReadNumber(Slice content, uint64_t* v) {
  Decoder in(content);
  return in.GetVarint(v) && in.remaining() == 0;
}

// 0 when the bytes hold no further whole field.
uint64_t ReadField(Decoder& in, Slice* content) {
  uint64_t tag = 0;
  return in.GetVarint(&tag) && in.GetLengthPrefixed(content) ? tag : 0;
}

Status CheckTable(const TableEntry& table) {
  const std::string name = "table " + std::to_string(table.file);
  if (table.file == 0) return Bad("expected a file number above 0, found 0");
  if (table.level >= kMaxLevels) {
    return Bad(name + ": expected a level below 32, found " + std::to_string(table.level));
  }
  if (table.smallest_key.size() > kMaxKeyBytes || table.largest_key.size() > kMaxKeyBytes) {
    return Bad(name + ": expected keys of at most 65535 bytes");
  }
  if (CompareEntry(table.smallest_key, table.smallest_tag, table.largest_key, table.largest_tag) >
      0) {
    return Bad(name + ": smallest entry behind the largest");
  }
  if (table.min_sequence > table.max_sequence || table.max_sequence > kMaxSequence ||
      table.sequence_override.value_or(0) > kMaxSequence) {
    return Bad(name + ": sequences out of order or above 56 bits");
  }
  return {};
}

Status DecodeValueUses(Slice content, TableEntry* table) {
  Decoder in(content);
  uint64_t last = 0;
  while (in.remaining() > 0) {
    ValueFileUse use;
    if (!in.GetVarint(&use.file) || !in.GetVarint(&use.bytes) || use.file <= last ||
        use.bytes == 0) {
      return Bad("value files of table " + std::to_string(table->file) +
                 ": expected rising numbers, each with its bytes");
    }
    last = use.file;
    table->values.push_back(use);
  }
  if (!in.ok() || table->values.empty()) return Bad("value files of a table are cut off");
  return {};
}

Status DecodeValueFile(Slice bytes, ValueFileEntry* file) {
  Decoder in(bytes);
  uint64_t created = 0;
  const bool whole = in.GetVarint(&file->file) && in.GetVarint(&file->bytes) &&
                     in.GetVarint(&file->records) && in.GetVarint(&file->record_bytes) &&
                     in.GetFixed(&file->id.high) && in.GetFixed(&file->id.low) &&
                     in.GetFixed(&created);
  if (!whole || file->file == 0 || file->record_bytes > file->bytes) {
    return Bad("value file is cut off or out of range");
  }
  file->created_ns = static_cast<int64_t>(created);
  while (in.remaining() > 0) {
    Slice content;
    const uint64_t tag = ReadField(in, &content);
    if (tag < kFirstOptional) {
      return Bad("expected a known value file field, found tag " + std::to_string(tag));
    }
  }
  return {};
}

Status DecodeTableExtensions(Decoder& in, TableEntry* table) {
  while (in.remaining() > 0) {
    Slice content;
    const uint64_t tag = ReadField(in, &content);
    if (tag == kSequenceOverride && !table->sequence_override) {
      uint64_t sequence = 0;
      if (!ReadNumber(content, &sequence)) return Bad("sequence override is cut off");
      table->sequence_override = sequence;
    } else if (tag == kValueUses && table->values.empty()) {
      LSMLAB_TRY(DecodeValueUses(content, table));
    } else if (tag < kFirstOptional) {
      return Bad("expected a known table field, found tag " + std::to_string(tag));
    }
  }
  return {};
}

Status DecodeTable(Slice bytes, TableEntry* table) {
  Decoder in(bytes);
  Slice smallest, largest;
  uint64_t created = 0, oldest_tombstone = 0;
  uint8_t last_level = 0;
  const bool whole = in.GetVarint(&table->file) && ReadU32(in, &table->level) &&
                     ReadU32(in, &table->run) && in.GetVarint(&table->bytes) &&
                     in.GetVarint(&table->entries) && in.GetVarint(&table->tombstones) &&
                     in.GetVarint(&table->raw_bytes) && in.GetFixed(&table->id.high) &&
                     in.GetFixed(&table->id.low) && in.GetLengthPrefixed(&smallest) &&
                     in.GetLengthPrefixed(&largest) && in.GetFixed(&table->smallest_tag) &&
                     in.GetFixed(&table->largest_tag) && in.GetVarint(&table->min_sequence) &&
                     in.GetVarint(&table->max_sequence) && in.GetFixed(&created) &&
                     in.GetFixed(&oldest_tombstone) && in.GetFixed(&last_level) && last_level <= 1;
  if (!whole) return Bad("table entry is cut off or out of range");
  table->smallest_key = smallest;
  table->largest_key = largest;
  table->created_ns = static_cast<int64_t>(created);
  table->oldest_tombstone_ns = static_cast<int64_t>(oldest_tombstone);
  table->last_level = last_level == 1;
  LSMLAB_TRY(DecodeTableExtensions(in, table));
  return CheckTable(*table);
}

// A number that may stand once.
Status SetOnce(Slice content, uint64_t max, std::optional<uint64_t>* field) {
  uint64_t v = 0;
  if (field->has_value() || !ReadNumber(content, &v) || v > max) {
    return Bad("a number is cut off, repeated or out of range");
  }
  *field = v;
  return {};
}

struct Fields {  // what SetOnce needs to know beyond the edit
  std::optional<uint64_t> tree;
};

Status DecodeField(uint64_t tag, Slice content, Fields* seen, VersionEdit* edit) {
  constexpr uint64_t kAny = std::numeric_limits<uint64_t>::max();
  switch (tag) {
    case kTree:
      LSMLAB_TRY(SetOnce(content, std::numeric_limits<uint32_t>::max(), &seen->tree));
      edit->tree = static_cast<uint32_t>(*seen->tree);
      return {};
    case kLogNumber:
      return SetOnce(content, kAny, &edit->log_number);
    case kLastSequence:
      return SetOnce(content, kMaxSequence, &edit->last_sequence);
    case kNextFile:
      return SetOnce(content, kAny, &edit->next_file);
    case kClosedLog:
      return SetOnce(content, kAny, &edit->closed_log);
    case kClosedLogBytes:
      return SetOnce(content, kAny, &edit->closed_log_bytes);
    case kPolicyState:
      if (edit->policy_state || content.size() > kMaxPolicyStateBytes) {
        return Bad("policy state repeated or above 4096 bytes");
      }
      edit->policy_state.emplace(content);
      return {};
    case kAdded:
      if (edit->added.size() >= kMaxTables) return Bad("more than 1048576 added tables");
      return DecodeTable(content, &edit->added.emplace_back());
    case kRemoved:
      if (edit->removed.size() >= kMaxTables) return Bad("more than 1048576 removed tables");
      if (!ReadNumber(content, &edit->removed.emplace_back().file)) {
        return Bad("removed table is cut off");
      }
      return {};
    case kValueFileAdded:
      if (edit->values_added.size() >= kMaxValueFiles) {
        return Bad("more than 1048576 added value files");
      }
      return DecodeValueFile(content, &edit->values_added.emplace_back());
    case kValueFileRemoved:
      if (edit->values_removed.size() >= kMaxValueFiles ||
          !ReadNumber(content, &edit->values_removed.emplace_back())) {
        return Bad("removed value file is cut off, or one too many");
      }
      return {};
    case kContinues: {
      uint64_t word = 0;
      if (edit->continues || !ReadNumber(content, &word) || word != 1) {
        return Bad("the sign that it continues is repeated, or not 1");
      }
      edit->continues = true;
      return {};
    }
    default:
      if (tag >= kFirstOptional) return {};
      return Bad("expected a known field, found tag " + std::to_string(tag));
  }
}

// File numbers of a list, sorted; false when one stands twice.
template <typename List>
bool SortedFiles(const List& list, std::vector<uint64_t>* files) {
  files->reserve(list.size());
  for (const auto& item : list) files->push_back(item.file);
  std::sort(files->begin(), files->end());
  return std::adjacent_find(files->begin(), files->end()) == files->end();
}

template <typename List>
bool Holds(const List& list, uint64_t file) {
  const auto at = std::lower_bound(list.begin(), list.end(), file,
                                   [](const auto& item, uint64_t f) { return item.file < f; });
  return at != list.end() && at->file == file;
}

// Takes the items with a number in `removed` out of a list in order of file number, and puts in
// `added`.
template <typename List>
void Exchange(List& list, const std::vector<uint64_t>& removed, const List& added) {
  if (!removed.empty()) {
    std::erase_if(list, [&](const auto& item) {
      return std::binary_search(removed.begin(), removed.end(), item.file);
    });
  }
  const auto by_file = [](const auto& a, const auto& b) { return a.file < b.file; };
  const auto middle = static_cast<std::ptrdiff_t>(list.size());
  list.insert(list.end(), added.begin(), added.end());
  std::sort(list.begin() + middle, list.end(), by_file);
  std::inplace_merge(list.begin(), list.begin() + middle, list.end(), by_file);
}

Status CheckValueFiles(const VersionEdit& edit, const CatalogState& state) {
  std::vector<uint64_t> removed = edit.values_removed, added;
  std::sort(removed.begin(), removed.end());
  const bool twice = std::adjacent_find(removed.begin(), removed.end()) != removed.end();
  if (twice || !SortedFiles(edit.values_added, &added)) {
    return Bad("a value file is added or removed twice");
  }
  for (uint64_t file : removed) {
    if (Holds(state.value_files, file)) continue;
    return Bad("expected value file " + std::to_string(file) + " to remove, found none");
  }
  for (uint64_t file : added) {
    if (!Holds(state.value_files, file)) continue;
    return Bad("value file " + std::to_string(file) + " is added but already there");
  }
  if (state.value_files.size() - removed.size() + added.size() > kMaxValueFiles) {
    return Bad("more than 1048576 value files");
  }
  return {};
}

}  // namespace

void EncodeVersionEdit(const VersionEdit& edit, std::string& out) {
  if (edit.tree != 0) PutNumber(out, kTree, edit.tree);
  if (edit.log_number) PutNumber(out, kLogNumber, *edit.log_number);
  if (edit.last_sequence) PutNumber(out, kLastSequence, *edit.last_sequence);
  if (edit.next_file) PutNumber(out, kNextFile, *edit.next_file);
  if (edit.closed_log) PutNumber(out, kClosedLog, *edit.closed_log);
  if (edit.closed_log_bytes) PutNumber(out, kClosedLogBytes, *edit.closed_log_bytes);
  if (edit.policy_state) PutField(out, kPolicyState, *edit.policy_state);
  std::string content;
  for (const TableEntry& table : edit.added) {
    LSMLAB_ASSERT(table.tree == edit.tree);
    content.clear();
    EncodeTable(table, content);
    PutField(out, kAdded, content);
  }
  for (const RemovedTable& table : edit.removed) PutNumber(out, kRemoved, table.file);
  for (const ValueFileEntry& file : edit.values_added) {
    LSMLAB_ASSERT(file.tree == edit.tree);
    content.clear();
    EncodeValueFile(file, content);
    PutField(out, kValueFileAdded, content);
  }
  for (uint64_t file : edit.values_removed) PutNumber(out, kValueFileRemoved, file);
  if (edit.continues) PutNumber(out, kContinues, 1);
}

Status DecodeVersionEdit(Slice bytes, VersionEdit* edit) {
  *edit = VersionEdit();
  if (bytes.size() > kMaxEditBytes) {
    return Bad("expected at most 16 MiB, found " + std::to_string(bytes.size()) + " bytes");
  }
  Decoder in(bytes);
  Fields seen;
  while (in.remaining() > 0) {
    Slice content;
    const uint64_t tag = ReadField(in, &content);
    LSMLAB_TRY(DecodeField(tag, content, &seen, edit));
  }
  if (!in.ok()) return Bad("last field is cut off");
  for (TableEntry& table : edit->added) table.tree = edit->tree;
  for (ValueFileEntry& file : edit->values_added) file.tree = edit->tree;
  return {};
}

Status CheckEdit(const VersionEdit& edit, const CatalogState& state) {
  std::vector<uint64_t> removed, added;
  if (!SortedFiles(edit.removed, &removed)) return Bad("a file is removed twice");
  if (!SortedFiles(edit.added, &added)) return Bad("a file is added twice");
  for (uint64_t file : removed) {
    if (!Holds(state.tables, file)) {
      return Bad("expected table " + std::to_string(file) + " to remove, found none");
    }
  }
  for (uint64_t file : added) {
    if (Holds(state.tables, file) && !std::binary_search(removed.begin(), removed.end(), file)) {
      return Bad("table " + std::to_string(file) + " is added but already there");
    }
  }
  if (state.tables.size() - removed.size() + added.size() > kMaxTables) {
    return Bad("more than 1048576 tables");
  }
  return CheckValueFiles(edit, state);
}

Status ApplyEdit(const VersionEdit& edit, CatalogState* state) {
  LSMLAB_TRY(CheckEdit(edit, *state));
  std::vector<uint64_t> removed;
  SortedFiles(edit.removed, &removed);
  Exchange(state->tables, removed, edit.added);
  removed = edit.values_removed;
  std::sort(removed.begin(), removed.end());
  Exchange(state->value_files, removed, edit.values_added);
  state->log_number = std::max(state->log_number, edit.log_number.value_or(0));
  state->last_sequence = std::max(state->last_sequence, edit.last_sequence.value_or(0));
  state->next_file = std::max(state->next_file, edit.next_file.value_or(0));
  if (edit.closed_log) {
    state->closed_log = *edit.closed_log;
    state->closed_log_bytes = edit.closed_log_bytes.value_or(0);
  }
  if (edit.policy_state) state->policy_state = *edit.policy_state;
  return {};
}

}  // namespace lsmlab
