#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/async/task.h"
#include "engine/base/status.h"
#include "engine/format/version_edit.h"
#include "engine/parts/io.h"
#include "engine/parts/settings.h"

// Catalog: which tables make up a shard's trees, kept durably. Variants: `manifest` (a log of
// version edits). Cold: called once per job.
//
// Thread safety: one task at a time (the tree serialises jobs' commits); BeginJob, TableMark and
// bytes_written from any thread beside it.
// Invariants: after Commit returned ok the edit survives power loss, whole; after a crash the state
// is the sum of a prefix of the commits, no shorter than the last one that returned ok. After a
// failed Commit every further call fails until reopen.
namespace lsmlab {

class Catalog {
 public:
  virtual ~Catalog() = default;

  // Reads the state; for a new shard creates an empty one, durable on return. Syncs what it relies
  // on first. `files`: the shard's directory listing. Damage before the last synced commit is
  // Corruption naming file, offset, expected, found.
  virtual Task<Result<CatalogState>> Open(bool create, bool read_only) = 0;

  enum class JobKind : uint8_t { kFlush, kCompaction, kMove, kDrop, kOther };
  // Announces a job before its outputs are built; the number goes to TableMark and Commit.
  virtual uint64_t BeginJob(std::span<const uint64_t> input_files, JobKind kind) = 0;
  // Bytes that go into output i's properties before it is finished (empty for `manifest`).
  virtual std::string TableMark(uint64_t job, uint32_t index, bool is_last) = 0;
  // REQUIRES: outputs and their directory entries are durable. Inputs may be deleted after ok.
  virtual Task<Status> Commit(uint64_t job, const VersionEdit& edit) = 0;

  // Whether a file name in the shard's directory belongs to the catalog and is in use.
  virtual bool OwnsFile(std::string_view name) const = 0;
  virtual uint64_t bytes_written() const noexcept = 0;
  virtual Task<Status> Close() = 0;
};

struct CatalogEnvironment {
  Io* io = nullptr;
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
