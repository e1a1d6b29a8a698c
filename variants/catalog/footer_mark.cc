#include "variants/catalog/footer_mark.h"

#include <limits>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"

// Grammar:
//
//   mark    := magic:"lsmlmark" version (1) output? commit? checksum:u64
//   output  := 1 file run uses
//   commit  := 2 number base numbers_bytes numbers count table{count} count removed{count}
//   numbers := a version edit (engine/format/version_edit.cc) that names no file
//   table   := rise * 4 + form, then by form   0: nothing   1: level run
//                                              2: level run id high:u64 id low:u64 uses
//   removed := rise
//   uses    := count {rise bytes}{count}
//
// All are varints where no width is given. A rise is the difference to the file number before it in
// the same list, at first to 0; never 0. The checksum covers all before it.
namespace lsmlab {
namespace {

constexpr Slice kMarkMagic = "lsmlmark";
constexpr uint64_t kMarkVersion = 1;
constexpr uint64_t kOutputPart = 1, kCommitPart = 2;
constexpr uint64_t kForms = 4;

void PutUses(const std::vector<ValueFileUse>& uses, std::string& out) {
  PutVarint64(out, uses.size());
  uint64_t before = 0;
  for (const ValueFileUse& use : uses) {
    PutVarint64(out, use.file - before);
    PutVarint64(out, use.bytes);
    before = use.file;
  }
}

void PutCommit(const CommitMark& commit, std::string& out) {
  PutVarint64(out, kCommitPart);
  PutVarint64(out, commit.number);
  PutVarint64(out, commit.base);
  std::string numbers;
  EncodeVersionEdit(commit.numbers, numbers);
  PutLengthPrefixed(out, numbers);
  PutVarint64(out, commit.tables.size());
  uint64_t before = 0;
  for (const ListedTable& table : commit.tables) {
    PutVarint64(out, (table.file - before) * kForms + static_cast<uint64_t>(table.form));
    before = table.file;
    if (table.form == ListedTable::Form::kOutput) continue;
    PutVarint64(out, table.level);
    PutVarint64(out, table.run);
    if (table.form != ListedTable::Form::kForeign) continue;
    PutFixed64(out, table.id.high);
    PutFixed64(out, table.id.low);
    PutUses(table.values, out);
  }
  PutVarint64(out, commit.removed.size());
  before = 0;
  for (uint64_t file : commit.removed) {
    PutVarint64(out, file - before);
    before = file;
  }
}

Status BadMark(const std::string& what) { return Status::Corruption("catalog mark: " + what); }

bool GetU32(Decoder& in, uint64_t limit, uint32_t* v) {
  uint64_t wide = 0;
  if (!in.GetVarint(&wide) || wide > limit) return false;
  *v = static_cast<uint32_t>(wide);
  return true;
}

// A count of things that take at least `least` bytes each: never more than there can be.
bool GetCount(Decoder& in, size_t least, uint64_t* count) {
  return in.GetVarint(count) && *count <= in.remaining() / least;
}

// The next of rising file numbers.
bool Rise(uint64_t by, uint64_t* file) {
  if (by == 0 || by > std::numeric_limits<uint64_t>::max() - *file) return false;
  *file += by;
  return true;
}

bool GetUses(Decoder& in, std::vector<ValueFileUse>* uses) {
  uint64_t count = 0, rise = 0, file = 0;
  if (!GetCount(in, 2, &count)) return false;
  for (uint64_t i = 0; i < count; ++i) {
    ValueFileUse use;
    if (!in.GetVarint(&rise) || !Rise(rise, &file)) return false;
    if (!in.GetVarint(&use.bytes) || use.bytes == 0) return false;
    use.file = file;
    uses->push_back(use);
  }
  return true;
}

bool GetTable(Decoder& in, uint64_t* file, ListedTable* table) {
  constexpr uint64_t kAny = std::numeric_limits<uint32_t>::max();
  uint64_t word = 0;
  if (!in.GetVarint(&word) || !Rise(word / kForms, file) || word % kForms > 2) return false;
  table->file = *file;
  table->form = static_cast<ListedTable::Form>(word % kForms);
  if (table->form == ListedTable::Form::kOutput) return true;
  if (!GetU32(in, kMaxLevels - 1, &table->level) || !GetU32(in, kAny, &table->run)) return false;
  if (table->form == ListedTable::Form::kMoved) return true;
  return in.GetFixed(&table->id.high) && in.GetFixed(&table->id.low) && GetUses(in, &table->values);
}

bool GetLists(Decoder& in, CommitMark* commit) {
  uint64_t count = 0, file = 0, rise = 0;
  if (!GetCount(in, 1, &count) || count > kMaxTables) return false;
  for (uint64_t i = 0; i < count; ++i) {
    ListedTable table;
    if (!GetTable(in, &file, &table)) return false;
    commit->tables.push_back(std::move(table));
  }
  if (!GetCount(in, 1, &count)) return false;
  file = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (!in.GetVarint(&rise) || !Rise(rise, &file)) return false;
    commit->removed.push_back(file);
  }
  return true;
}

Status GetCommit(Decoder& in, CommitMark* commit) {
  Slice numbers;
  if (!in.GetVarint(&commit->number) || !in.GetVarint(&commit->base) ||
      !in.GetLengthPrefixed(&numbers) || commit->base >= commit->number) {
    return BadMark("a commit is cut off, or builds on none before it");
  }
  LSMLAB_TRY(DecodeVersionEdit(numbers, &commit->numbers));
  const VersionEdit& edit = commit->numbers;
  if (!edit.added.empty() || !edit.removed.empty() || !edit.values_added.empty() ||
      !edit.values_removed.empty() || edit.continues) {
    return BadMark("expected a whole version edit without files");
  }
  if (!GetLists(in, commit)) return BadMark("a list of tables is cut off or out of order");
  return {};
}

}  // namespace

std::string EncodeFooterMark(const FooterMark& mark, uint64_t seed) {
  std::string out(kMarkMagic);
  PutVarint64(out, kMarkVersion);
  if (mark.output) {
    PutVarint64(out, kOutputPart);
    PutVarint64(out, mark.output->file);
    PutVarint64(out, mark.output->run);
    PutUses(mark.output->values, out);
  }
  if (mark.commit) PutCommit(*mark.commit, out);
  PutFixed64(out, Checksum(out, seed));
  return out;
}

Result<FooterMark> DecodeFooterMark(Slice bytes, uint64_t seed) {
  constexpr size_t kSumBytes = 8;
  if (bytes.size() < kMarkMagic.size() + kSumBytes || !bytes.starts_with(kMarkMagic)) {
    return BadMark("expected the magic 'lsmlmark'");
  }
  const Slice covered = bytes.substr(0, bytes.size() - kSumBytes);
  const uint64_t expected = Checksum(covered, seed);
  const auto found = LoadLe<uint64_t>(bytes.data() + covered.size());
  if (found != expected) {
    return BadMark("expected the checksum " + std::to_string(expected) +
                   " of this store and shard, found " + std::to_string(found));
  }
  Decoder in(covered.substr(kMarkMagic.size()));
  uint64_t version = 0, part = 0;
  if (!in.GetVarint(&version) || version != kMarkVersion) {
    return BadMark("expected version 1, found " + std::to_string(version));
  }
  FooterMark mark;
  while (in.remaining() > 0 && in.GetVarint(&part)) {
    if (part == kOutputPart && !mark.output && !mark.commit) {
      OutputMark& output = mark.output.emplace();
      if (!in.GetVarint(&output.file) ||
          !GetU32(in, std::numeric_limits<uint32_t>::max(), &output.run) ||
          !GetUses(in, &output.values)) {
        return BadMark("what the table says of itself is cut off or out of order");
      }
    } else if (part == kCommitPart && !mark.commit) {
      LSMLAB_TRY(GetCommit(in, &mark.commit.emplace()));
    } else {
      return BadMark("expected part 1 or 2, each once, found " + std::to_string(part));
    }
  }
  if (!in.ok()) return BadMark("the last part is cut off");
  return mark;
}

}  // namespace lsmlab
