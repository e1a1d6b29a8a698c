#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/checksum.h"
#include "engine/base/coding.h"
#include "engine/base/random.h"
#include "engine/format/file_name.h"
#include "engine/parts/catalog.h"
#include "tests/support/finish.h"

// What the suites of the catalog part share: a shard whose tables are nothing but what a catalog
// asks of them, and a history of edits.
namespace lsmlab::catalog_test {

inline const std::string kShardDirectory = "d";

inline std::string FilePath(uint64_t file, std::string_view suffix) {
  return kShardDirectory + "/" + NumberedFileName("", file, suffix);
}

// Tables and value files without contents, on a disk:
//   file := bytes of an edit that adds it, length-prefixed; mark, length-prefixed; checksum
class FakeShard final : public ShardFiles {
 public:
  explicit FakeShard(Io& io) : io_(io) {}

  Task<Result<TableFacts>> ReadTable(uint64_t file) override {
    VersionEdit edit;
    TableFacts facts;
    LSMLAB_CO_TRY(co_await Read(FilePath(file, ".sst"), &edit, &facts.mark));
    if (!edit.added.empty()) {
      facts.entry = edit.added.front();
    }
    facts.entry.file = file;
    facts.entry.run = 0;
    facts.entry.values.clear();
    co_return facts;
  }
  Task<Result<ValueFileEntry>> ReadValueFile(uint64_t file) override {
    VersionEdit edit;
    std::string none;
    LSMLAB_CO_TRY(co_await Read(FilePath(file, ".val"), &edit, &none));
    ValueFileEntry entry = edit.values_added.front();
    entry.tree = 0;
    co_return entry;
  }
  uint64_t NewFileNumber() override { return next_file_++; }
  Task<Result<uint64_t>> WriteEmptyTable(uint64_t file, std::string mark) override {
    const VersionEdit nothing;
    LSMLAB_CO_TRY(co_await Write(IoSite::kCatalog, file, ".sst", nothing, std::move(mark)));
    co_return bytes_;
  }

  Task<Status> WriteTable(const TableEntry& entry, std::string mark) {
    VersionEdit edit;
    edit.tree = entry.tree;
    edit.added.push_back(entry);
    return WriteEdit(entry.file, ".sst", std::move(edit), std::move(mark));
  }
  Task<Status> WriteValues(const ValueFileEntry& entry) {
    VersionEdit edit;
    edit.tree = entry.tree;
    edit.values_added.push_back(entry);
    return WriteEdit(entry.file, ".val", std::move(edit), std::string());
  }
  // Another mark in a table that is there, durably or not.
  Status Replace(uint64_t file, std::string mark) {
    Result<TableFacts> facts = Finish(ReadTable(file));
    if (!facts.ok()) return facts.status();
    LSMLAB_TRY(Finish(UnlinkFile(io_, IoSite::kOther, FilePath(file, ".sst"))));
    if (facts->entry.largest_key.empty()) {  // no table of an edit
      Result<uint64_t> written = Finish(WriteEmptyTable(file, std::move(mark)));
      return written.status();
    }
    return Finish(WriteTable(facts->entry, std::move(mark)));
  }

  // Numbers given out from now on are above all that are there, as the tree's are.
  Task<Status> LookAround() {
    auto listed = co_await ListDirectory(io_, IoSite::kRecovery, kShardDirectory);
    if (!listed.ok()) co_return listed.status();
    for (const DirEntry& entry : listed.value()) {
      const auto table = ParseNumberedFileName("", ".sst", entry.name);
      const auto unfinished = ParseNumberedFileName("", kUnfinishedTable, entry.name);
      next_file_ = std::max(next_file_, std::max(table.value_or(0), unfinished.value_or(0)) + 1);
    }
    co_return Status();
  }
  // As the tree does after an open: what the state does not have and the catalog does not own.
  Task<Status> Sweep(const Catalog& catalog, const CatalogState& state) {
    auto listed = co_await ListDirectory(io_, IoSite::kSweep, kShardDirectory);
    if (!listed.ok()) co_return listed.status();
    for (const DirEntry& entry : listed.value()) {
      const auto table = ParseNumberedFileName("", ".sst", entry.name);
      const auto values = ParseNumberedFileName("", ".val", entry.name);
      const auto unfinished = ParseNumberedFileName("", kUnfinishedTable, entry.name);
      const bool live = table && Holds(state.tables, *table);
      const bool dead_values = values && !Holds(state.value_files, *values);
      if (unfinished || dead_values || (table && !live && !catalog.OwnsFile(entry.name))) {
        LSMLAB_CO_TRY(co_await UnlinkFile(io_, IoSite::kSweep, kShardDirectory + "/" + entry.name));
      }
    }
    co_return Status();
  }

 private:
  template <typename Entries>
  static bool Holds(const Entries& entries, uint64_t file) {
    return std::any_of(entries.begin(), entries.end(),
                       [file](const auto& entry) { return entry.file == file; });
  }
  Task<Status> WriteEdit(uint64_t file, std::string suffix, VersionEdit edit, std::string mark) {
    co_return co_await Write(IoSite::kFlush, file, suffix, edit, std::move(mark));
  }
  // Under its name when it is durable.
  Task<Status> Write(IoSite site, uint64_t file, std::string suffix, const VersionEdit& edit,
                     std::string mark) {
    std::string encoded, bytes;
    EncodeVersionEdit(edit, encoded);
    PutLengthPrefixed(bytes, encoded);
    PutLengthPrefixed(bytes, mark);
    PutFixed64(bytes, Checksum(bytes, file));
    const std::string unfinished = FilePath(file, kUnfinishedTable);
    auto opened = co_await OpenFile(io_, site, OpenMode::kCreate, unfinished);
    if (!opened.ok()) co_return opened.status();
    LSMLAB_CO_TRY(co_await WriteAt(io_, site, *opened.value(), 0, bytes.data(), bytes.size()));
    LSMLAB_CO_TRY(co_await DataSync(io_, site, *opened.value()));
    bytes_ = bytes.size();
    co_return co_await RenameFile(io_, site, unfinished, FilePath(file, suffix));
  }
  Task<Status> Read(std::string path, VersionEdit* edit, std::string* mark) {
    const uint64_t file = std::stoull(path.substr(path.rfind('/') + 1));
    auto bytes = co_await ReadFile(io_, IoSite::kRecovery, path, 1 << 20);
    if (bytes.status().IsNotFound()) co_return Status::Corruption(path + ": missing");
    if (!bytes.ok()) co_return bytes.status();
    const Slice all = bytes.value();
    Decoder in(all);
    Slice encoded, found;
    uint64_t checksum = 0;
    const bool whole = in.GetLengthPrefixed(&encoded) && in.GetLengthPrefixed(&found) &&
                       in.GetFixed(&checksum) && in.remaining() == 0;
    if (!whole || checksum != Checksum(all.substr(0, all.size() - 8), file)) {
      co_return Status::Corruption(path + ": damaged");
    }
    *mark = found;
    co_return DecodeVersionEdit(encoded, edit);
  }

  Io& io_;
  uint64_t next_file_ = 1'000'000;  // above those of the history
  uint64_t bytes_ = 0;
};

// A job's last table.
class FakeLastOutput final : public LastOutput {
 public:
  FakeLastOutput(FakeShard& shard, TableEntry entry) : shard_(shard), entry_(std::move(entry)) {}
  const TableEntry& entry() const noexcept override { return entry_; }
  Task<Status> Finish(std::string mark) override {
    return shard_.WriteTable(entry_, std::move(mark));
  }

 private:
  FakeShard& shard_;
  const TableEntry entry_;
};

inline std::unique_ptr<Catalog> MakeCatalog(const CatalogVariant& variant, Io& io, FakeShard& shard,
                                            int64_t edit_log_size = 1024, uint64_t store_id = 77) {
  CatalogEnvironment environment;
  environment.io = &io;
  environment.files = &shard;
  environment.directory = kShardDirectory;
  environment.shard = 2;
  environment.store_id = store_id;
  SettingBag bag = DefaultSettings(variant.settings);
  if (bag.Has("edit_log_size")) bag.Set("edit_log_size", edit_log_size);
  if (bag.Has("mark_size")) bag.Set("mark_size", int64_t{64});
  return variant.make(bag, environment);
}

// A state as text, for comparison. Without the next file's number: a catalog may use some itself.
inline std::string Print(const CatalogState& state) {
  std::string out = std::to_string(state.log_number) + " " + std::to_string(state.last_sequence) +
                    " " + state.policy_state + ":";
  for (const TableEntry& table : state.tables) {
    out += " " + std::to_string(table.tree) + "/" + std::to_string(table.level) + "/" +
           std::to_string(table.run) + "/" + std::to_string(table.file) + "[" + table.smallest_key +
           "," + table.largest_key + "]";
    for (const ValueFileUse& use : table.values) {
      out += "v" + std::to_string(use.file) + "*" + std::to_string(use.bytes);
    }
  }
  for (const ValueFileEntry& file : state.value_files) {
    out += " " + std::to_string(file.tree) + "/v" + std::to_string(file.file) + ":" +
           std::to_string(file.records);
  }
  return out;
}

// A commit's files have the first numbers of its own ones. What lies behind kReservedFile is free
// for a catalog that looks for a number when it is opened.
inline constexpr uint64_t kNumbersPerCommit = 20;
inline constexpr uint64_t kReservedFile = 10;

// Edits that a tree could make, each following from the state and the number of the commit: new
// tables with and without value files, tables that go, with the value files that only they refer
// to, and tables that move.
inline VersionEdit NextEdit(const CatalogState& state, uint64_t commit) {
  Random random(commit * 7919);
  VersionEdit edit;
  edit.tree = static_cast<uint32_t>(commit % 3 == 0);
  uint64_t file = commit * kNumbersPerCommit;
  for (uint64_t n = random.Below(4); n > 0; --n) {
    TableEntry table;
    table.tree = edit.tree;
    table.file = file++;
    table.id.high = commit;
    table.id.low = table.file;
    table.level = static_cast<uint32_t>(random.Below(7));
    table.run = static_cast<uint32_t>(random.Below(3));
    table.smallest_key = "a" + std::string(random.Below(60), 'x');
    table.largest_key = "b" + std::to_string(commit);
    table.max_sequence = commit;
    if (random.OneIn(2)) {
      ValueFileEntry values;
      values.tree = edit.tree;
      values.file = file++;
      values.records = commit;
      edit.values_added.push_back(values);
      table.values.push_back(ValueFileUse{values.file, commit});
    }
    edit.added.push_back(table);
  }
  for (const TableEntry& table : state.tables) {
    if (table.tree != edit.tree || !random.OneIn(3)) continue;
    edit.removed.push_back({table.file});
    if (random.OneIn(2)) {
      TableEntry moved = table;
      moved.level = static_cast<uint32_t>(random.Below(7));
      moved.run = static_cast<uint32_t>(commit);
      edit.added.insert(edit.added.begin(), moved);
      continue;
    }
    for (const ValueFileUse& use : table.values) edit.values_removed.push_back(use.file);
  }
  edit.next_file = commit * kNumbersPerCommit + kReservedFile + 1;
  edit.last_sequence = commit;
  if (random.OneIn(2)) edit.log_number = commit;
  if (random.OneIn(3)) edit.policy_state = "state " + std::to_string(commit);
  return edit;
}

// What a job does with its outputs before it commits. The last table is left to a catalog that
// wants it.
inline Task<Status> WriteOutputs(Catalog& catalog, FakeShard& shard, Io& io, uint64_t job,
                                 const CatalogState& state, const VersionEdit& edit,
                                 const TableEntry** last) {
  std::vector<const TableEntry*> outputs;
  for (const TableEntry& table : edit.added) {
    const bool moved =
        std::any_of(state.tables.begin(), state.tables.end(),
                    [&](const TableEntry& before) { return before.file == table.file; });
    if (!moved) outputs.push_back(&table);
  }
  *last = nullptr;
  if (catalog.marks_tables() && !outputs.empty()) {
    *last = outputs.back();
    outputs.pop_back();
  }
  for (const ValueFileEntry& values : edit.values_added) {
    LSMLAB_CO_TRY(co_await shard.WriteValues(values));
  }
  for (const TableEntry* table : outputs) {
    std::string mark;
    if (catalog.marks_tables()) mark = catalog.TableMark(job, *table);
    LSMLAB_CO_TRY(co_await shard.WriteTable(*table, std::move(mark)));
  }
  co_return co_await SyncDirectory(io, IoSite::kFlush, kShardDirectory);
}

// The next edit of the history, as a job. `refused`: whether it was the catalog that failed.
inline Task<Status> CommitNext(Catalog& catalog, FakeShard& shard, Io& io, CatalogState& state,
                               uint64_t commit, bool* refused) {
  const VersionEdit edit = NextEdit(state, commit);
  *refused = false;
  const uint64_t job = catalog.BeginJob({}, Catalog::JobKind::kOther);
  const TableEntry* entry = nullptr;
  LSMLAB_CO_TRY(co_await WriteOutputs(catalog, shard, io, job, state, edit, &entry));
  FakeLastOutput last(shard, entry == nullptr ? TableEntry() : *entry);
  Status committed = co_await catalog.Commit(job, edit, entry == nullptr ? nullptr : &last);
  *refused = !committed.ok();
  LSMLAB_CO_TRY(std::move(committed));
  LSMLAB_CO_TRY(ApplyEdit(edit, &state));
  // Dead files go at once, later, or never while this process lives.
  for (const RemovedTable& table : edit.removed) {
    const bool moved = std::any_of(edit.added.begin(), edit.added.end(),
                                   [&](const TableEntry& a) { return a.file == table.file; });
    if (moved || table.file % 3 == 0) continue;
    LSMLAB_CO_TRY(co_await UnlinkFile(io, IoSite::kSweep, FilePath(table.file, ".sst")));
  }
  for (const uint64_t file : edit.values_removed) {
    LSMLAB_CO_TRY(co_await UnlinkFile(io, IoSite::kSweep, FilePath(file, ".val")));
  }
  co_return Status();
}

// The states after 0, 1, 2 ... commits.
struct History {
  History() {
    CatalogState state;
    for (uint64_t commit = 1; commit < 120; ++commit) {
      printed.push_back(Print(state));
      EXPECT_TRUE(ApplyEdit(NextEdit(state, commit), &state).ok());
    }
  }
  std::vector<std::string> printed;
};
inline const History& TheHistory() {
  static const History history;
  return history;
}

}  // namespace lsmlab::catalog_test
