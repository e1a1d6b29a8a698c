#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/format/version_edit.h"
#include "engine/tree/tree.h"

namespace lsmlab {

// The tables that one job writes: opens a file when the first entry comes, cuts it when asked,
// finishes (data and footer durable), and reopens each for reading. The directory entry and the
// commit are the job's. Where tables carry the catalog, the last one is finished by the commit. One
// user at a time.
class TableOutput final : private LastOutput {
 public:
  TableOutput(Tree& tree, TableBuildContext context, IoSite site, uint64_t job)
      : tree_(tree),
        context_(std::move(context)),
        site_(site),
        job_(job),
        marks_(tree.catalog_->marks_tables()),
        keep_limit_(tree.env_.cache->capacity_bytes() / kKeptShare) {}
  // Files of a job that was given up are doomed.
  ~TableOutput() override;

  bool open() const noexcept { return builder_ != nullptr; }
  uint64_t open_bytes() const noexcept { return builder_->EstimatedFileBytes(); }
  // The hot path of a job: copies the entry into the open table.
  Status Add(Slice key, Tag tag, Slice value) {
    if (TagKind(tag) == EntryKind::kPutInValueFile) CountUse(value);
    return builder_->Add(key, tag, value);
  }
  // Of a tombstone whose place the entry added last has taken: see TableProperties.
  void AddLostDelete() { builder_->AddLostDelete(); }
  // Whether blocks finished from now on are offered to the cache when their table is.
  void KeepBlocks(bool keep) noexcept {
    keep_ = keep;
    if (builder_ != nullptr) builder_->KeepBlocks(keep, keep_limit_);
  }
  bool NeedsFlush() const noexcept { return writer_->NeedsFlush(); }
  Task<Status> Begin();
  Task<Status> FlushPieces() { return writer_->Flush(); }
  Task<Status> FinishTable(uint32_t run);
  // No entry comes any more: finishes the open table, or leaves it to the commit, and syncs the
  // directory, so that the job may be committed.
  Task<Status> End(uint32_t run);

  // Ends the use of outputs whose job may be given up: before destruction.
  Task<void> Settle();

  // Of all tables; of last()'s only place and value files are known before the commit.
  const std::vector<TableEntry>& entries() const noexcept { return entries_; }
  // What the commit has to finish; null: nothing.
  LastOutput* last() noexcept { return last_is_open_ ? this : nullptr; }
  // After the commit: opens what it has finished.
  Task<Status> OpenLast();
  // The open tables, references handed over.
  std::vector<TableHandle*> TakeTables() { return std::move(tables_); }
  uint64_t bytes() const noexcept { return bytes_; }

 private:
  const TableEntry& entry() const noexcept override { return entries_.back(); }
  Task<Status> Finish(std::string mark) override;
  void CountUse(Slice reference);
  void AddEntry(uint32_t run);
  Task<Status> EndFile(Slice mark);
  Task<Status> Reopen(bool in_steps);
  Task<void> FillCache(const Table& table, bool in_steps);
  Task<void> EndStep();

  Tree& tree_;
  TableBuildContext context_;
  const IoSite site_;
  const uint64_t job_;
  const bool marks_;  // whether tables carry the catalog
  // Kept blocks lie outside the cache's budget until their table is finished.
  static constexpr uint64_t kKeptShare = 16;
  const uint64_t keep_limit_;
  bool keep_ = false;
  uint64_t file_ = 0;
  std::string path_;
  std::unique_ptr<FileWriter> writer_;
  std::unique_ptr<TableBuilder> builder_;
  std::map<uint64_t, uint64_t> uses_;  // of the open table: bytes by value file
  std::vector<KeptBlock> kept_;        // of the table finished last
  std::vector<TableEntry> entries_;
  bool last_is_open_ = false;  // the table of the last entry is for the commit to finish
  std::vector<TableHandle*> tables_;
  uint64_t bytes_ = 0;
};

}  // namespace lsmlab
