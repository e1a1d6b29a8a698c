#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/async/task.h"
#include "engine/base/status.h"
#include "engine/format/version_edit.h"
#include "engine/parts/directory_syncs.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Catalog: which tables make up a shard's trees, kept durably. Variants: `manifest` (a log of
// version edits), `footers` (the tables themselves say it). Cold: called once per job.
//
// Thread safety: one task at a time (the tree serialises jobs' commits); BeginJob, TableMark and
// bytes_written from any thread beside it.
// Invariants: after Commit returned ok the edit survives power loss, whole; after a crash the state
// is the sum of a prefix of the commits, no shorter than the last one that returned ok. After a
// failed Commit every further call fails until reopen.
// REQUIRES of all edits together: the value files of the state are those that its tables refer to.
// Errors: NotFound where there is no catalog and none is to be created; Corruption (file, offset,
// expected, found); what the Io reports; Aborted after a failure, until reopen.
// Lifetime: what the environment points to outlives the catalog, an edit and `last` the task.
// The tasks suspend where the Io does; no other call waits for the disk.
//
// The part has no settings of its own; a variant's stand in its file. Provisional: marks_tables,
// TableMark and LastOutput, as one variant lives in tables.
namespace lsmlab {

// What a catalog that lives in tables needs of its shard. Implemented by the tree, which knows how
// tables are written and read; the catalog knows what they mean. Used by one task at a time.
class ShardFiles {
 public:
  // The entry as the table's own properties tell it: without run and value files.
  struct TableFacts {
    TableEntry entry;
    std::string mark;
  };

  virtual ~ShardFiles() = default;
  // Of NNNNNN.sst, from its footer and properties. Damage is Corruption that names the file.
  virtual Task<Result<TableFacts>> ReadTable(uint64_t file) = 0;
  // Of NNNNNN.val.
  virtual Task<Result<ValueFileEntry>> ReadValueFile(uint64_t file) = 0;
  // A number that no file has. REQUIRES: the catalog is open.
  virtual uint64_t NewFileNumber() = 0;
  // Writes a table without entries: its bytes are durable before it takes its name, which is the
  // caller's to sync. The bytes written.
  virtual Task<Result<uint64_t>> WriteEmptyTable(uint64_t file, std::string mark) = 0;
};

// The last output of a job, still without its end. Ending it with the mark is part of the commit.
class LastOutput {
 public:
  virtual ~LastOutput() = default;
  // Place and value files are final, figures of the table's contents are not.
  virtual const TableEntry& entry() const noexcept = 0;
  // As ShardFiles::WriteEmptyTable.
  virtual Task<Status> Finish(std::string mark) = 0;
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  // Reads the state, of a new shard (`create`) an empty one, whichever variant has kept it. Changes
  // nothing; unless `read_only`, syncs what it relies on first. Damage before the last synced
  // commit is Corruption naming file, offset, expected, found.
  virtual Task<Result<CatalogState>> Open(bool create, bool read_only) = 0;
  // Makes the shard this variant's, durably: takes over what another one has kept, creates what a
  // new shard needs. Apart from Open so that a store which turns out not to open is left as it was.
  // REQUIRES: opened to write; ShardFiles gives out numbers that no file has. Before any Commit.
  virtual Task<Status> StartWriting() = 0;

  enum class JobKind : uint8_t { kFlush, kCompaction, kMove, kDrop, kOther };
  // Announces a job before its outputs are built; the number goes to TableMark and Commit.
  virtual uint64_t BeginJob(std::span<const uint64_t> input_files, JobKind kind) = 0;
  // Whether tables carry the catalog. Then a table gets its name (NNNNNN.sst) only when all of it
  // is durable, and the last output of a job is left for Commit to finish.
  virtual bool marks_tables() const noexcept { return false; }
  // Bytes that go into the properties of an output that is not the last one of its job, when it is
  // finished. REQUIRES: marks_tables; place and value files of the entry are final.
  virtual std::string TableMark(uint64_t job, const TableEntry& entry) { return {}; }
  // `last`: the last of the edit's new tables, or null when there is none or tables are not marked.
  // REQUIRES: all other outputs and their directory entries are durable. Inputs may be deleted
  // after ok.
  virtual Task<Status> Commit(uint64_t job, const VersionEdit& edit, LastOutput* last) = 0;

  // Whether a file name in the shard's directory belongs to the catalog and is in use. REQUIRES: no
  // task of the catalog runs.
  virtual bool OwnsFile(std::string_view name) const = 0;
  virtual uint64_t bytes_written() const noexcept = 0;
  virtual Task<Status> Close() = 0;
};

struct CatalogEnvironment {
  Io* io = nullptr;
  DirectorySyncs* names = nullptr;  // null: nobody else makes names in the directory
  ShardFiles* files = nullptr;      // outlives the catalog
  std::string directory;
  uint32_t shard = 0;
  uint64_t store_id = 0;
};

struct CatalogVariant {
  std::string_view name;
  std::string_view summary;
  std::span<const SettingSpec> settings;
  std::unique_ptr<Catalog> (*make)(const SettingBag& bag, const CatalogEnvironment& environment);
};

}  // namespace lsmlab
