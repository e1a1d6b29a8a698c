#pragma once

#include <string>

#include "engine/async/task.h"
#include "engine/parts/io.h"

namespace lsmlab {

// Whoever makes names in the shard's directory, log, tables and catalog: a failed sync of it
// forgets the names of all, so the shard has its syncs done one at a time, and none after a
// failure.
//
// Thread safety: any task of the shard, beside others; it suspends until those before it are done.
// Lifetime: outlives log and catalog. Provisional: the tree is the only one that guards a
// directory.
class DirectorySyncs {
 public:
  virtual ~DirectorySyncs() = default;
  // ENSURES: ok: every name that was made before the call is durable. After a failure every call
  // returns it, until reopen, and syncs nothing.
  virtual Task<Status> SyncNames(IoSite site) = 0;
};

// `names` may be null: nobody else makes names in the directory.
inline Task<Status> SyncNamesIn(DirectorySyncs* names, Io& io, IoSite site,
                                const std::string& directory) {
  return names != nullptr ? names->SyncNames(site) : SyncDirectory(io, site, directory);
}

}  // namespace lsmlab
