#pragma once

#include <string>

#include "engine/parts/catalog.h"
#include "engine/parts/table.h"
#include "engine/parts/wal.h"

namespace lsmlab {

class Tree;

// What a table's properties say of its place and contents; run and value files are not among them.
TableEntry EntryOf(const TableProperties& properties, uint64_t file, uint64_t bytes);

// Corruption when the table at `path` is another one than the entry says: where reads look for a
// key, and what is newer, is decided by entries alone.
Status CheckEntry(const TableEntry& entry, const TableProperties& properties,
                  const std::string& path);

// A tree's files, for its catalog and its log.
class TreeFiles final : public ShardFiles, public DirectorySyncs {
 public:
  explicit TreeFiles(Tree& tree) : tree_(tree) {}

  Task<Result<TableFacts>> ReadTable(uint64_t file) override;
  Task<Result<ValueFileEntry>> ReadValueFile(uint64_t file) override;
  uint64_t NewFileNumber() override;
  Task<Result<uint64_t>> WriteEmptyTable(uint64_t file, std::string mark) override;
  Task<Status> SyncNames(IoSite site) override;

 private:
  Tree& tree_;
};

}  // namespace lsmlab
